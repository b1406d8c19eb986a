// The sources of the report's page, as they lie beside this file.
#pragma once

namespace elbow {

extern const char* const kReportHtml;
extern const char* const kReportCss;
extern const char* const kReportScript;

}  // namespace elbow
