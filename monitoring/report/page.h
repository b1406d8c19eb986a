// A document and the page that shows it, as one file.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace elbow {

// HTML that asks for nothing beside itself. No text of the document can become part of the page's
// own code: it is data of a script, and a policy in the page allows no other script, style or
// request.
std::string page_of(const nlohmann::ordered_json& document);

}  // namespace elbow
