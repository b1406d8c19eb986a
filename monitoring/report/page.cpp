#include "monitoring/report/page.h"

#include <map>
#include <random>
#include <string_view>

#include "base/error.h"
#include "monitoring/report/page_sources.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

// Without '<' nothing can end the element that holds it, nor begin another.
std::string as_script_data(const Json& document) {
  const std::string json = document.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string data;
  data.reserve(json.size());
  for (char c : json) {
    if (c == '<') {
      data += "\\u003c";
    } else {
      data += c;
    }
  }
  return data;
}

// What marks the page's own script and style: nobody who wrote into a run directory could know it.
std::string nonce() {
  std::random_device source;
  std::string text;
  for (int i = 0; i < 4; ++i) text += fmt::format("{:08x}", source());
  return text;
}

}  // namespace

std::string page_of(const Json& document) {
  const std::map<std::string, std::string, std::less<>> parts = {
      {"nonce", nonce()},
      {"style", kReportCss},
      {"script", kReportScript},
      {"data", as_script_data(document)}};
  std::string page;
  std::string_view rest = kReportHtml;
  for (;;) {
    const std::size_t begin = rest.find("{{");
    page += rest.substr(0, begin);
    if (begin == std::string_view::npos) return page;
    const std::size_t end = rest.find("}}", begin);
    page += parts.at(std::string(rest.substr(begin + 2, end - begin - 2)));
    rest.remove_prefix(end + 2);
  }
}

}  // namespace elbow
