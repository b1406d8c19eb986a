// What a training step costs beside its matrix products: a VAE 784-400-20 with a Gaussian
// likelihood on 8-bit data, one thread. Compare the lines of one run with each other.
#include <numeric>

#include <benchmark/benchmark.h>
#include <torch/utils.h>

#include "trainer/model/model.h"
#include "trainer/training/flat_parameters.h"
#include "trainer/training/optimizer.h"

namespace elbow {
namespace {

constexpr std::int64_t kPixels = 784, kHidden = 400, kLatent = 20;

Batch grey_batch(std::int64_t count) {
  Batch batch;
  batch.indices.resize(static_cast<std::size_t>(count));
  std::iota(batch.indices.begin(), batch.indices.end(), 0);
  batch.shape = {28, 28};
  batch.values.assign(static_cast<std::size_t>(count * kPixels), std::byte{100});
  return batch;
}

Observation observation() { return {{}, {{28, 28}, ValueType::kUint8}, "gaussian"}; }

// The eleven products of the step, forward and backward, and nothing else.
void matrix_products(benchmark::State& state) {
  torch::set_num_threads(1);
  const std::int64_t batch = state.range(0);
  struct Layer {
    torch::Tensor x, w, g;
    bool input_gradient;
  };
  std::vector<Layer> layers;
  const std::int64_t sizes[][2] = {
      {kPixels, kHidden}, {kHidden, 2 * kLatent}, {kLatent, kHidden}, {kHidden, kPixels}};
  for (const auto& [in, out] : sizes) {
    layers.push_back({torch::rand({batch, in}), torch::rand({out, in}), torch::rand({batch, out}),
                      in != kPixels});
  }
  for (auto _ : state) {
    for (const Layer& layer : layers) {
      benchmark::DoNotOptimize(layer.x.mm(layer.w.t()));
      benchmark::DoNotOptimize(layer.g.t().mm(layer.x));
      if (layer.input_gradient) benchmark::DoNotOptimize(layer.g.mm(layer.w));
    }
  }
}
BENCHMARK(matrix_products)->Arg(32)->Arg(128)->Arg(512)->Unit(benchmark::kMillisecond);

void dithering(benchmark::State& state) {
  torch::set_num_threads(1);
  const Batch batch = grey_batch(state.range(0));
  const Observation seen = observation();
  for (auto _ : state) benchmark::DoNotOptimize(seen.x(batch, {}));
}
BENCHMARK(dithering)->Arg(32)->Arg(128)->Arg(512)->Unit(benchmark::kMillisecond);

// From stored bytes to updated parameters, without ranks to sum over.
void whole_step(benchmark::State& state) {
  torch::set_num_threads(1);
  const Batch batch = grey_batch(state.range(0));
  const Observation seen = observation();
  ModelOptions options;
  options.latent = kLatent;
  options.widths = {kHidden};
  const auto model = make_model(options, seen, 1);
  FlatParameters parameters(*model);
  const auto adam = make_optimizer({}, parameters);
  for (auto _ : state) {
    parameters.gradient().zero_();
    const torch::Tensor x = seen.x(batch, {});
    model->terms({x, batch.indices}, {}, {1}).objective.sum().neg().backward();
    adam->step(parameters.gradient(), static_cast<double>(batch.count()), 1e-3);
  }
}
BENCHMARK(whole_step)->Arg(32)->Arg(128)->Arg(512)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace elbow
