#include "trainer/model/torchscript.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/base/temporary_folder.h"
#include "tests/trainer/model/linear_model.h"
#include "tests/trainer/model/script_files.h"

namespace elbow {
namespace {

using Shape = std::vector<std::int64_t>;
using testing::HasSubstr;

const Shape kShape = {1, 3, 4};
constexpr std::int64_t kLatent = 3;

// The parameters a test's encoder is usually made of.
const std::vector<Shape> kWeights = {{3, 12}, {3, 12}};

class TorchScript : public testing::Test {
 protected:
  std::shared_ptr<Network> encoder(const torch::jit::Module& script, std::int64_t condition = 0) {
    return make_encoder(with_encoder(script), kShape, 2 * kLatent, condition);
  }

  std::shared_ptr<Network> decoder(const torch::jit::Module& script, std::int64_t parameters = 1,
                                   std::int64_t condition = 0) {
    return make_decoder(with_decoder(script), kLatent, kShape, parameters, condition);
  }

  ModelOptions with_encoder(const torch::jit::Module& script) {
    ModelOptions options;
    options.network = "torchscript";
    options.encoder = saved(script, folder_ / "encoder.pt");
    return options;
  }

  ModelOptions with_decoder(const torch::jit::Module& script) {
    ModelOptions options;
    options.network = "torchscript";
    options.decoder = saved(script, folder_ / "decoder.pt");
    return options;
  }

  // Encoders, from the body of forward(self, x).
  void expect_refused(const std::string& body, const std::string& text) {
    expect_module_refused(script_module(kWeights, "def forward(self, x):\n" + body + "\n"), text);
  }

  void expect_module_refused(const torch::jit::Module& script, const std::string& text) {
    try {
      encoder(script);
      FAIL() << text;
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), HasSubstr("option model.encoder: "));
      EXPECT_THAT(error.what(), HasSubstr("encoder.pt"));
      EXPECT_THAT(error.what(), HasSubstr(text));
    }
  }

  TemporaryFolder folder_;
};

torch::Tensor batch(const Shape& shape, std::int64_t rows = 4) {
  Shape sizes = {rows};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  return reference_numbers(sizes).to(torch::kFloat);
}

TEST_F(TorchScript, ComputesWhatTheFileSays) {
  const auto network = encoder(script_encoder());
  const auto p = network->named_parameters();
  EXPECT_TRUE(torch::equal(p["b"], reference_numbers({5}, 1).to(torch::kFloat)));
  const auto x = batch(kShape);
  const auto h = (x.flatten(1).mm(p["a"].t()) + p["b"]).tanh();
  EXPECT_TRUE(torch::allclose(network->forward(x, {}),
                              torch::cat({h.mm(p["c"].t()), h.mm(p["d"].t())}, 1), 1e-5, 1e-6));
  const auto decoded = decoder(script_decoder());
  const auto q = decoded->named_parameters();
  const auto z = batch({kLatent});
  EXPECT_TRUE(torch::allclose(decoded->forward(z, {}).flatten(1), z.mm(q["a"].t()) + q["b"]));
  EXPECT_EQ(decoded->forward(z, {}).sizes(), (Shape{4, 1, 1, 3, 4}));
}

TEST_F(TorchScript, EncodersOfOtherPosteriorsGiveOneTensor) {
  const auto network = encoder(script_module({{6, 12}}, R"(
    def forward(self, x):
        return torch.linear(torch.flatten(x, 1), self.a)
  )"));
  EXPECT_EQ(network->forward(batch(kShape), {}).sizes(), (Shape{4, 6}));
}

TEST_F(TorchScript, DecodersMayGiveFlatRowsOrLeaveOneParameterOut) {
  const std::string flat = "def forward(self, z):\n    return torch.linear(z, self.a)\n";
  const auto two = decoder(script_module({{24, 3}}, flat), 2);
  EXPECT_EQ(two->forward(batch({kLatent}), {}).sizes(), (Shape{4, 2, 1, 3, 4}));
  const auto shaped = decoder(script_module(
      {{12, 3}},
      "def forward(self, z):\n    return torch.linear(z, self.a).view([z.size(0), 1, 3, 4])\n"));
  EXPECT_EQ(shaped->forward(batch({kLatent}), {}).sizes(), (Shape{4, 1, 1, 3, 4}));
}

TEST_F(TorchScript, AConditionIsTheSecondArgument) {
  const auto network = encoder(script_module({{3, 12}, {3, 2}}, R"(
    def forward(self, x, c):
        return torch.linear(torch.flatten(x, 1), self.a), torch.linear(c, self.b)
  )"),
                               2);
  const auto c = batch({2});
  const auto b = network->named_parameters()["b"];
  EXPECT_TRUE(torch::allclose(network->forward(batch(kShape), c).narrow(1, 3, 3), c.mm(b.t())));
  const auto decoded = decoder(script_module({{12, 3}, {12, 2}}, R"(
    def forward(self, z, c):
        return torch.linear(z, self.a) + torch.linear(c, self.b)
  )"),
                               1, 2);
  EXPECT_EQ(decoded->forward(batch({kLatent}), c).sizes(), (Shape{4, 1, 1, 3, 4}));
}

// Names as in PyTorch; what does not learn is no parameter, what is used twice is one.
TEST_F(TorchScript, ParametersKeepTheirNames) {
  auto inner =
      script_module({{3, 12}}, "def forward(self, x):\n    return torch.linear(x, self.a)\n");
  torch::jit::Module script("Outer");
  script.register_module("first", inner);
  script.register_module("again", inner);
  script.register_parameter("fixed", torch::ones({3}), false);
  script.register_buffer("scale", torch::full({3}, 2.0F));
  script.define(R"(
    def forward(self, x):
        y = torch.flatten(x, 1)
        return self.first.forward(y) * self.scale, self.again.forward(y) + self.fixed
  )");
  const auto network = encoder(script);
  std::vector<std::string> names;
  for (const auto& item : network->named_parameters()) names.push_back(item.key());
  EXPECT_THAT(names, testing::ElementsAre("first.a"));
  EXPECT_EQ(network->layers().size(), 1U);
  EXPECT_EQ(network->layers()[0].parameters, 36);
  const auto y = batch(kShape).flatten(1).mm(network->named_parameters()["first.a"].t());
  EXPECT_TRUE(torch::allclose(network->forward(batch(kShape), {}), torch::cat({2 * y, y + 1}, 1),
                              1e-5, 1e-6));
}

// The script computes with the storage that the parameters are given later, and its gradients go
// to them.
TEST_F(TorchScript, ComputesWithMovedParameters) {
  const auto network = encoder(script_encoder());
  const auto x = batch(kShape);
  const auto before = network->forward(x, {});
  {
    torch::NoGradGuard no_grad;
    for (auto& parameter : network->parameters()) parameter.set_data(2 * parameter.detach());
  }
  const auto p = network->named_parameters();
  const auto h = (x.flatten(1).mm(p["a"].t()) + p["b"]).tanh();
  const auto expected = torch::cat({h.mm(p["c"].t()), h.mm(p["d"].t())}, 1);
  const auto after = network->forward(x, {});
  EXPECT_FALSE(torch::allclose(before, after, 1e-2));
  EXPECT_TRUE(torch::allclose(after, expected, 1e-5, 1e-6));
  after.square().sum().backward();
  std::vector<torch::Tensor> found;
  for (const auto& parameter : network->parameters()) found.push_back(parameter.grad().clone());
  network->zero_grad();
  expected.square().sum().backward();
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(torch::allclose(found[i], network->parameters()[i].grad(), 1e-4, 1e-5));
  }
}

// Of results and of gradients: left to itself, TorchScript may rewrite a graph after its first
// runs.
TEST_F(TorchScript, ManyRunsGiveTheSameBits) {
  const auto network = encoder(script_module({{6, 12}, {6}, {3, 6}, {3, 6}}, R"(
    def forward(self, x):
        h = torch.linear(torch.flatten(x, 1), self.a, self.b)
        h = torch.layer_norm(h * torch.sigmoid(h), [6])
        h = torch.tanh(h) * torch.softmax(h, 1) / (1.1 + torch.cos(h)) + torch.gelu(h)
        return torch.linear(h, self.c), torch.linear(h, self.d)
  )"));
  const auto run = [&] {
    network->zero_grad();
    const auto result = network->forward(batch(kShape), {});
    result.exp().sum().backward();
    std::vector<torch::Tensor> all = {result.detach().clone()};
    for (const auto& parameter : network->parameters()) all.push_back(parameter.grad().clone());
    return all;
  };
  const auto first = run();
  for (int again = 0; again < 5; ++again) {
    const auto found = run();
    for (std::size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(torch::equal(found[i], first[i]));
  }
}

TEST_F(TorchScript, InitialValuesAreThoseOfTheFile) {
  torch::jit::Module inner("Linear");
  inner.register_parameter("weight", torch::full({6, 12}, 7.0F).requires_grad_(), false);
  inner.define(
      "def forward(self, x):\n    return torch.linear(torch.flatten(x, 1), self.weight)\n");
  torch::jit::Module outer("Outer");
  outer.register_module("inner", inner);
  outer.define("def forward(self, x):\n    return self.inner.forward(x)\n");
  const auto network = encoder(outer);
  initialise(*network, 1);
  EXPECT_TRUE((network->named_parameters()["inner.weight"] == 7).all().item<bool>());
}

TEST_F(TorchScript, AWholeModelKeepsItsHashesAndItsParameters) {
  ModelOptions options = with_encoder(script_encoder());
  options.decoder = with_decoder(script_decoder()).decoder;
  options.latent = kLatent;
  note_network_files(options);
  const Observation observation({"raw", "nchw"}, {kShape, ValueType::kFloat32}, "gaussian");
  const auto model = make_model(options, observation, 5);
  EXPECT_TRUE(torch::equal(model->named_parameters()["encoder.b"],
                           reference_numbers({5}, 1).to(torch::kFloat)));

  const auto json = to_json(options);
  EXPECT_FALSE(json.contains("encoder"));
  ModelOptions stored = model_options_from_json(json);
  EXPECT_EQ(stored.encoder, "");
  EXPECT_EQ(stored.encoder_hash, options.encoder_hash);
  EXPECT_EQ(stored.decoder_hash.size(), 32U);
  EXPECT_NE(stored.encoder_hash, stored.decoder_hash);
  stored.encoder = options.encoder;
  stored.decoder = options.decoder;
  make_model(stored, observation, 5);

  stored.encoder = options.decoder;
  try {
    make_model(stored, observation, 5);
    FAIL();
  } catch (const CheckpointError& error) {
    EXPECT_THAT(error.what(), HasSubstr("is not the network of this run"));
    EXPECT_THAT(error.what(), HasSubstr(options.encoder_hash));
    EXPECT_THAT(error.what(), HasSubstr(options.decoder_hash));
  }
}

TEST_F(TorchScript, AFileIsNeverTakenFromAModelsDescription) {
  auto json = to_json(ModelOptions{});
  json["encoder"] = "encoder.pt";
  EXPECT_THROW(model_options_from_json(json), CheckpointError);
}

TEST_F(TorchScript, RefusesFilesThatCannotBeRead) {
  ModelOptions options;
  options.network = "torchscript";
  const auto message = [&] {
    try {
      make_encoder(options, kShape, 6);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(message(), HasSubstr("option model.encoder is missing"));
  options.encoder = (folder_ / "none.pt").string();
  EXPECT_THAT(message(), HasSubstr("none.pt"));
  EXPECT_THROW(note_network_files(options), ConfigError);
  options.encoder = (folder_ / "text.pt").string();
  std::ofstream(options.encoder) << "no archive";
  EXPECT_THAT(message(), HasSubstr("is no TorchScript file"));
  // One that is cut off.
  options.encoder = saved(script_encoder(), folder_ / "cut.pt");
  std::filesystem::resize_file(options.encoder, std::filesystem::file_size(options.encoder) / 2);
  EXPECT_THAT(message(), HasSubstr("is no TorchScript file"));
  // A file where the network needs none.
  options.network = "mlp";
  EXPECT_THAT(message(), HasSubstr("only where model.network = 'torchscript'"));
}

// LibTorch allocates what the archive's directory says before it reads: a file of some kilobytes
// must not take the memory of the job for it.
TEST_F(TorchScript, RefusesAFileThatClaimsToHoldMoreThanItDoes) {
  ModelOptions options;
  options.network = "torchscript";
  options.encoder = saved(script_encoder(), folder_ / "claims.pt");
  std::ostringstream read;
  read << std::ifstream(options.encoder, std::ios::binary).rdbuf();
  std::string content = read.str();
  // An entry of a zip archive's central directory: the method of compression stands 10 bytes behind
  // its beginning, the size of the content 24, the name 46.
  const std::size_t entry = content.rfind("PK\x01\x02", content.rfind("/data.pkl"));
  ASSERT_NE(entry, std::string::npos);
  content.replace(entry + 10, 2, std::string("\x08\0", 2));      // deflated
  content.replace(entry + 24, 4, std::string("\0\0\0\xC0", 4));  // 3 GiB
  std::ofstream(options.encoder, std::ios::binary) << content;
  try {
    make_encoder(options, kShape, 6);
    FAIL() << "taken";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("claims.pt"));
    EXPECT_THAT(error.what(), testing::AnyOf(HasSubstr("memory"), HasSubstr("alloc"),
                                             HasSubstr("in loading it")));
  }
}

const char* const kPlain = "    return torch.linear(y, self.a), torch.linear(y, self.b)\n";

TEST_F(TorchScript, RefusesOtherShapes) {
  expect_refused("    return torch.linear(torch.flatten(x, 1), self.a)",
                 "expected is a tuple (mean, log_variance) of two tensors [3, 3]");
  expect_refused("    y = torch.linear(torch.flatten(x, 1), self.a)\n    return y, y, self.b",
                 "a tuple of 3, Float [3, 3], Float [3, 3], Float [3, 12]");
  expect_refused("    return 1.5", "Double");
  // Seven rows, whatever is asked for: what tracing with a batch of seven may leave behind.
  expect_refused(std::string("    y = torch.flatten(x, 1).view([7, 12])\n") + kPlain,
                 "fails on 3 samples of the shape [1, 3, 4]");
  const auto narrow =
      script_module({{11, 3}}, "def forward(self, z):\n    return torch.linear(z, self.a)\n");
  try {
    decoder(narrow);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("Float [3, 11]; expected is one tensor of shape [1, 1, 3, 4]"));
  }
}

TEST_F(TorchScript, RefusesOtherArguments) {
  const auto two = script_module(kWeights, R"(
    def forward(self, x, c):
        return torch.linear(torch.flatten(x, 1), self.a), c
  )");
  expect_module_refused(two, "has a forward function of 2 arguments");
  try {
    encoder(script_encoder(), 2);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("its input and c [B, 2]"));
  }
  torch::jit::Module empty("Empty");
  expect_module_refused(empty, "has no forward function");
}

TEST_F(TorchScript, RefusesRowsThatDependOnEachOther) {
  for (const char* how : {"y - y.mean(0)", "y / y.norm()", "y.roll(1, 0)", "y.cumsum(0)",
                          "y.flip(0)", "y + y.cummax(0)[0]"}) {
    expect_refused("    y = torch.flatten(x, 1)\n    y = " + std::string(how) + "\n" + kPlain,
                   "depends on the other samples of its batch");
  }
}

TEST_F(TorchScript, RefusesStatisticsOfABatch) {
  expect_refused(
      std::string(
          "    y = torch.batch_norm(torch.flatten(x, 1), None, None, None, None, True, 0.1, "
          "0.00001, False)\n") +
          kPlain,
      "aten::batch_norm");
  torch::jit::Module norm("Norm");
  norm.register_buffer("running_mean", torch::zeros({12}));
  norm.define("def forward(self, y):\n    return y - self.running_mean\n");
  auto script = script_module(kWeights, "");
  script.register_module("norm", norm);
  script.define("def forward(self, x):\n    y = self.norm.forward(torch.flatten(x, 1))\n" +
                std::string(kPlain));
  expect_module_refused(script, "keeps statistics of batches ('norm')");
  // By its name, without statistics of its own.
  torch::jit::Module named("__torch__.torch.nn.modules.batchnorm.BatchNorm1d");
  named.define("def forward(self, y):\n    return y\n");
  auto other = script_module(kWeights, "");
  other.register_module("bn", named);
  other.define("def forward(self, x):\n    y = self.bn.forward(torch.flatten(x, 1))\n" +
               std::string(kPlain));
  expect_module_refused(other, "keeps statistics of batches ('bn')");
}

TEST_F(TorchScript, RefusesRandomness) {
  for (const auto& [how, name] : std::vector<std::pair<std::string, std::string>>{
           {"torch.dropout(y, 0.5, True)", "dropout"},
           {"torch.feature_dropout(y.unsqueeze(2), 0.5, True).squeeze(2)", "feature_dropout"},
           {"y + torch.rand_like(y)", "rand_like"},
           {"y + torch.randn([12])", "randn"},
           {"y + torch.rand([12])", "rand"},
           {"y * torch.bernoulli(torch.sigmoid(y))", "bernoulli"},
           {"torch.normal(y, torch.ones_like(y))", "normal"},
           {"torch.empty_like(y).uniform_()", "uniform_"},
           {"torch.rrelu(y, 0.1, 0.3, True)", "rrelu"},
           {"y[:, torch.randperm(12)]", "randperm"}}) {
    expect_refused("    y = torch.flatten(x, 1)\n    y = " + how + "\n" + kPlain, "aten::" + name);
  }
  // Inside a branch that the trial does not take, and in a function of a part.
  expect_refused(
      "    y = torch.flatten(x, 1)\n    if x.size(0) > 100:\n        y = torch.rand_like(y)\n" +
          std::string(kPlain),
      "aten::rand_like");
  torch::jit::Module part("Part");
  part.define("def forward(self, y):\n    return torch.dropout(y, 0.1, True)\n");
  auto script = script_module(kWeights, "");
  script.register_module("part", part);
  script.define("def forward(self, x):\n    y = self.part.forward(torch.flatten(x, 1))\n" +
                std::string(kPlain));
  expect_module_refused(script, "aten::dropout");
}

TEST_F(TorchScript, DropoutThatDropsNothingIsAllowed) {
  const auto network = encoder(script_module(kWeights, R"(
    def forward(self, x):
        y = torch.dropout(torch.dropout(torch.flatten(x, 1), 0., True), 0.5, False)
        return torch.linear(y, self.a), torch.linear(y, self.b)
  )"));
  EXPECT_EQ(network->forward(batch(kShape), {}).sizes(), (Shape{4, 6}));
}

TEST_F(TorchScript, RefusesAStateOfItsOwn) {
  auto script = script_module(kWeights, "");
  script.register_buffer("calls", torch::zeros({1}));
  script.define(
      "def forward(self, x):\n    self.calls += 1\n    y = torch.flatten(x, 1) * self.calls\n" +
      std::string(kPlain));
  expect_module_refused(script, "gives two results for one input");
}

TEST_F(TorchScript, RefusesParametersThatCannotBeTrained) {
  torch::jit::Module script("Double");
  script.register_parameter("a", torch::ones({6, 12}, torch::kDouble).requires_grad_(), false);
  script.define(
      "def forward(self, x):\n    return torch.linear(torch.flatten(x, 1).double(), self.a)\n");
  expect_module_refused(script, "has the parameter 'a' of the type Double; all must be float");
  expect_module_refused(
      script_module({}, "def forward(self, x):\n    return torch.flatten(x, 1)[:, :6]\n"),
      "has no parameters that could be trained");
  expect_refused(
      "    y = torch.flatten(x, 1)\n    return torch.linear(y, self.a.detach()), "
      "torch.linear(y, self.b.detach())",
      "does not pass gradients");
}

TEST_F(TorchScript, RefusesNumbersThatAreNone) {
  expect_refused("    y = torch.log(torch.flatten(x, 1))\n" + std::string(kPlain), "not finite");
  expect_refused(
      "    y = torch.flatten(x, 1)\n    return torch.linear(y, self.a).double(), "
      "torch.linear(y, self.b).double()",
      "of the type Double");
}

}  // namespace
}  // namespace elbow
