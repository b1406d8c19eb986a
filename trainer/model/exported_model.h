// A trained model as other programs take it: its tensors, part by part, and all that it takes to
// compute the same with them (docs/formats.md, "Export").
#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <torch/types.h>

#include "trainer/model/model.h"

namespace elbow {

struct ExportedPart {
  std::string name;                              // "encoder"
  std::map<std::string, torch::Tensor> tensors;  // "0.weight": no copies; never empty
};

struct ExportedModel {
  nlohmann::ordered_json architecture;
  std::vector<ExportedPart> parts;
};

// Every child module of the procedure is a part. A network around another, without a description of
// its own, gives way to that one.
ExportedModel exported_model(const ModelFile& file, const Procedure& procedure);

}  // namespace elbow
