// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include <algorithm>
#include <set>
#include <span>
#include <utility>

#include "base/error.h"
#include "spec/parameters.h"

namespace vila::model {
namespace {

// What is wrong with the tensor found for a parameter; empty when all is well.
std::string fault(const spec::Parameter& parameter, const Tensor& found) {
  if (!(found.shape() == parameter.shape)) {
    return fmt::format("{}: expected {}, found {}", parameter.name, parameter.shape.text(),
                       found.text());
  }
  if (!is_weight_dtype(found.dtype())) {
    return fmt::format("{}: expected f32, f16 or bf16, found {}", parameter.name, found.text());
  }
  return {};
}

std::string fault(const spec::Parameter& parameter, const formats::QuantisedMatrix& found) {
  if (found.shape() == parameter.shape) return {};
  return fmt::format("{}: expected {}, found {}", parameter.name, parameter.shape.text(),
                     found.text());
}

template <typename Map>
const typename Map::mapped_type* find_in(const Map& map, const std::string& name) {
  const auto found = map.find(name);
  return found == map.end() ? nullptr : &found->second;
}

// Puts the changes of an adapter beside the matrices that they change.
void add_changes(const formats::ChangeMap& changes,
                 std::map<std::string, Matrix, std::less<>>& table) {
  for (const auto& [module, change] : changes) {
    table.emplace(module + ".lora_A", change.a);
    table.emplace(module + ".lora_B", change.b);
    if (change.gain.defined()) table.emplace(module + ".lora_gain", change.gain);
  }
}

// Packs matrices of a checkpoint into the places of a table.
struct PackJob {
  const formats::QuantisedMatrix* source;
  Matrix* target;
};

void run(std::span<const PackJob> jobs, ThreadPool& pool) {
  pool.parallel_for(std::ssize(jobs), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const PackJob& job = jobs[static_cast<size_t>(i)];
      *job.target = job.source->pack();
    }
  });
}

}  // namespace

Matrix rows(const Matrix& matrix, int64_t begin, int64_t end) {
  if (const auto* dense = std::get_if<Tensor>(&matrix)) return dense->rows(begin, end);
  PackedMatrix part = std::get<PackedMatrix>(matrix);
  VILA_CHECK(begin % PackedMatrix::kTileRows == 0 && 0 <= begin && begin <= end && end <= part.out,
             "rows {}..{} of {}", begin, end, part.out);
  const int64_t first_byte = begin / PackedMatrix::kTileRows * part.tile_bytes();
  part.out = end - begin;
  part.data = part.data.rows(first_byte, first_byte + part.tiles() * part.tile_bytes());
  return part;
}

Weights Weights::bind(const formats::Checkpoint& checkpoint, const spec::VilaConfig& config,
                      ThreadPool& pool) {
  auto table = std::make_shared<Table>();
  std::vector<PackJob> jobs;
  std::string faults;
  int64_t count = 0;
  const auto note = [&](const std::string& text) {
    if (text.empty()) return;
    faults += "\n  " + text;
    ++count;
  };
  for (const spec::Parameter& parameter : spec::parameters(config)) {
    if (const Tensor* dense = find_in(checkpoint.tensors, parameter.name)) {
      note(fault(parameter, *dense));
      table->emplace(parameter.name, *dense);
    } else if (const auto* quantised = find_in(checkpoint.quantised, parameter.name)) {
      note(fault(parameter, *quantised));
      const auto place = table->emplace(parameter.name, Tensor()).first;
      jobs.push_back({quantised, &place->second});
    } else if (!parameter.is_optional) {
      note(fmt::format("{}: missing, expected {}", parameter.name, parameter.shape.text()));
    }
  }
  if (count > 0) {
    fail(ErrorCode::invalid_model, "{}: {} tensors do not fit config.json:{}",
         checkpoint.folder.string(), count, faults);
  }
  run(jobs, pool);
  add_changes(checkpoint.changes, *table);
  return Weights(std::move(table), "");
}

Weights::Weights(std::shared_ptr<const Table> table, std::string path)
    : table_(std::move(table)), path_(std::move(path)) {}

Weights Weights::operator/(std::string_view name) const {
  return Weights(table_, fmt::format("{}{}.", path_, name));
}

Weights Weights::operator/(int64_t index) const {
  return Weights(table_, fmt::format("{}{}.", path_, index));
}

const Matrix* Weights::find(std::string_view name) const {
  const auto it = table_->find(fmt::format("{}{}", path_, name));
  return it == table_->end() ? nullptr : &it->second;
}

Matrix Weights::matrix(std::string_view name) const {
  const Matrix* found = find(name);
  VILA_CHECK(found != nullptr, "{}{} is not in the parameter table", path_, name);
  return *found;
}

Tensor Weights::tensor(std::string_view name) const {
  const Matrix found = matrix(name);
  const auto* packed = std::get_if<PackedMatrix>(&found);
  return packed != nullptr ? dequantise(*packed) : std::get<Tensor>(found);
}

Tensor Weights::vector(std::string_view name) const {
  return tensor(name).to(DType::f32);
}

bool Weights::has(std::string_view name) const {
  return find(name) != nullptr;
}

Weights Weights::with(const std::map<std::string, Matrix, std::less<>>& changes) const {
  auto table = std::make_shared<Table>(*table_);
  for (const auto& [name, matrix] : changes) {
    const auto place = table->find(name);
    VILA_CHECK(place != table->end(), "{} is not in the parameter table", name);
    place->second = matrix;
  }
  return Weights(std::move(table), path_);
}

int64_t Weights::bytes() const {
  size_t sum = 0;
  for (const auto& [name, matrix] : *table_) {
    if (!name.starts_with(path_)) continue;
    sum += std::visit([](const auto& any) { return any.nbytes(); }, matrix);
  }
  return static_cast<int64_t>(sum);
}

bool Weights::has_packed() const {
  return std::ranges::any_of(*table_, [&](const auto& item) {
    return item.first.starts_with(path_) && std::holds_alternative<PackedMatrix>(item.second);
  });
}

std::vector<std::string> extra_tensors(const formats::Checkpoint& checkpoint,
                                       const spec::VilaConfig& config) {
  std::set<std::string, std::less<>> known;
  for (const spec::Parameter& parameter : spec::parameters(config))
    known.insert(parameter.name);
  std::vector<std::string> extra;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (!known.contains(name)) extra.push_back(name);
  }
  for (const auto& [name, matrix] : checkpoint.quantised) {
    if (!known.contains(name)) extra.push_back(name);
  }
  return extra;
}

}  // namespace vila::model
