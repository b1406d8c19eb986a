#include "tests/faults/fuzz/readers.h"

#include <algorithm>
#include <numeric>

#include <matio.h>
#include <torch/csrc/jit/api/module.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "data/cars3d.h"
#include "data/cars3d_mat.h"
#include "data/data_set.h"
#include "data/idx.h"
#include "data/inspect.h"
#include "launch/cli/configuration.h"
#include "monitoring/image.h"
#include "monitoring/metrics_file.h"
#include "monitoring/report/report.h"
#include "trainer/model/torchscript_file.h"
#include "trainer/run/checkpoint.h"
#include "trainer/run/run_directory.h"
#include "trainer/run/run_metrics.h"
#include "trainer/run/run_status.h"
#include "trainer/run/safetensors.h"
#include "trainer/run/saved_model.h"

namespace elbow {
namespace {

constexpr std::int64_t kMostRows = 256;

void read_data_set(const std::string& file, const std::string& path) {
  const DataSet data = DataSet::open({file + ":" + path}, RowKind::kLabels);
  std::vector<std::int64_t> rows(static_cast<std::size_t>(std::min(data.size(), kMostRows)));
  std::iota(rows.begin(), rows.end(), data.size() - std::ssize(rows));
  std::vector<double> values(rows.size() * static_cast<std::size_t>(data.row_elements()));
  data.read(rows, values);
  data.fingerprint();
}

void read_hdf5() {
  const std::string file = "data.h5";
  InspectOptions options;
  options.seconds = 0.001;
  inspect(file, options);
  hdf5::rehearse(file, [&] { hdf5::list_data_sets(hdf5::open_file(file), true, 8); });
  for (const auto& path : hdf5::list_data_sets(hdf5::open_file(file), true, 8)) {
    try {
      read_data_set(file, path);
    } catch (const DataError&) {
      // One of several.
    }
  }
}

void read_cars() {
  std::filesystem::remove("cars.h5");
  Cars3dImport import;
  import.source = "cars.tar.gz";
  import.output = "cars.h5";
  import.size = 8;
  import_cars3d(import);
}

void read_mat() {
  const std::string bytes = read_file("car.mat", 1 << 30);
  read_car_views(std::as_bytes(std::span(bytes)), "car.mat");
}

void read_idx() {
  std::filesystem::remove("images.h5");
  IdxImport import;
  import.images = "images";
  import.output = "images.h5";
  import_idx(import);
}

void read_configuration() {
  Configuration configuration;
  OptionTable table = configuration.table();
  table.apply_file("run/config.toml");
  table.to_toml();
}

const RunPaths kRun{"run"};

void report_run() {
  ReportedRun run{kRun.root,  kRun.record(),  kRun.metrics(),
                  kRun.log(), kRun.samples(), kRun.checkpoints(),
                  {},         nullptr,        {}};
  make_report({run});
}

void read_metrics() {
  report_run();
  read_run_metrics(kRun.metrics());
  MetricsFile(kRun.metrics(), MetricsCut{5, "validation_count"});
}

void read_record() {
  report_run();
  read_run_status(kRun.root);
  read_run_record(kRun.root);
}

}  // namespace

std::vector<Reader> all_readers() {
  const auto load = [] { load_newest_checkpoint(kRun.checkpoints()); };
  const std::filesystem::path checkpoint = kRun.checkpoints() / checkpoint_name(10);
  return {{"hdf5", "data.h5", read_hdf5},
          {"idx", "images", read_idx},
          {"mat", "car.mat", read_mat},
          {"tar", "cars.tar.gz", read_cars},
          {"torchscript", "encoder.pt",
           [] {
             load_script({"model.encoder", "encoder.pt"}, "", 0);
           }},
          {"toml", kRun.configuration(), read_configuration},
          {"record", kRun.record(), read_record},
          {"metrics", kRun.metrics(), read_metrics},
          {"evaluation", kRun.evaluation(), report_run},
          {"log", kRun.log(), report_run},
          {"model", kRun.model(), [] { load_model(kRun, "best", {}); }},
          {"safetensors", kRun.parameters(), [] { load_model(kRun, "best", {}); }},
          {"manifest", checkpoint / "manifest.json", load},
          {"lease", lease_path(kRun.root), [] { read_run_status(kRun.root); }},
          {"png", kRun.samples() / "samples.png", [] {
             report_run();
             read_png(kRun.samples() / "samples.png");
           }}};
}

void write_seeds(const std::filesystem::path& folder) {
  std::vector<std::uint8_t> pixels(8 * 8 * 3 * kCars3dViews);
  std::iota(pixels.begin(), pixels.end(), 0);
  std::size_t shape[] = {8, 8, 3, kCars3dAzimuths, kCars3dElevations};
  for (const bool packed : {false, true}) {
    mat_t* const file =
        Mat_CreateVer((folder / (packed ? "packed.mat" : "car.mat")).c_str(), nullptr, MAT_FT_MAT5);
    matvar_t* const variable =
        Mat_VarCreate("im", MAT_C_UINT8, MAT_T_UINT8, 5, shape, pixels.data(), 0);
    Mat_VarWrite(file, variable, packed ? MAT_COMPRESSION_ZLIB : MAT_COMPRESSION_NONE);
    Mat_VarFree(variable);
    Mat_Close(file);
  }
  torch::jit::Module script("Network");
  script.register_parameter("a", torch::ones({4, 64}).requires_grad_(), false);
  script.define(R"(
    def forward(self, x):
        h = torch.linear(torch.flatten(x, 1), self.a)
        return h[:, :2], h[:, 2:]
  )");
  script.save((folder / "encoder.pt").string());
}

}  // namespace elbow
