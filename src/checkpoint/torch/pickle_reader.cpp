#include "checkpoint/torch/pickle_reader.h"

#include <fmt/format.h>

#include <bit>

#include "checkpoint/byte_cursor.h"
#include "checkpoint/torch/pickle_objects.h"
#include "checkpoint/torch/pickle_stack.h"
#include "core/printable.h"

namespace ingot::checkpoint {
namespace {

constexpr uint64_t kMaxName = 256;
constexpr size_t kMaxTensors = size_t{1} << 20;
using Kind = PickleItems::Kind;

/// Numbers of opcodes. Source: Python's pickletools.
enum Opcode : uint8_t {
  kMark = '(', kStop = '.', kNone = 'N', kBinInt = 'J', kBinInt1 = 'K', kBinInt2 = 'M', kBinFloat = 'G',
  kBinUnicode = 'X', kShortBinString = 'U', kBinString = 'T', kEmptyDict = '}', kEmptyList = ']', kEmptyTuple = ')',
  kDict = 'd', kList = 'l', kTuple = 't', kAppend = 'a', kAppends = 'e', kSetItem = 's', kSetItems = 'u',
  kBinPut = 'q', kLongBinPut = 'r', kBinGet = 'h', kLongBinGet = 'j', kGlobal = 'c', kReduce = 'R', kBuild = 'b',
  kBinPersId = 'Q', kProto = 0x80, kTuple1 = 0x85, kTuple2 = 0x86, kTuple3 = 0x87, kNewTrue = 0x88, kNewFalse = 0x89,
  kLong1 = 0x8a, kShortBinUnicode = 0x8c, kStackGlobal = 0x93, kMemoize = 0x94, kFrame = 0x95
};

class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> bytes, const std::string& file) : cursor_(bytes, file), stack_(cursor_) {}

  PickleDocument run() {
    for (uint8_t op = cursor_.take<uint8_t>(); op != kStop; op = cursor_.take<uint8_t>())
      if (!scalar(op) && !memo(op) && !container(op) && !object(op))
        cursor_.fail(fmt::format("opcode 0x{:02x}, which no file of tensors needs", op));
    document_.root = stack_.pop();
    if (!stack_.is_empty()) cursor_.fail("values are left on the stack at the end");
    document_.containers = std::move(stack_.containers);
    document_.size = cursor_.position();
    return std::move(document_);
  }

 private:
  bool scalar(uint8_t op) {
    switch (op) {
      case kNone: stack_.push(PickleNone{}); return true;
      case kNewTrue: stack_.push(true); return true;
      case kNewFalse: stack_.push(false); return true;
      case kBinInt: stack_.push(int64_t{cursor_.take<int32_t>()}); return true;
      case kBinInt1: stack_.push(int64_t{cursor_.take<uint8_t>()}); return true;
      case kBinInt2: stack_.push(int64_t{cursor_.take<uint16_t>()}); return true;
      case kBinFloat: stack_.push(std::bit_cast<double>(__builtin_bswap64(cursor_.take<uint64_t>()))); return true;
      case kLong1: push_long(cursor_.take_view(cursor_.take<uint8_t>(), "an integer")); return true;
      case kBinUnicode: push_text(cursor_.take<uint32_t>()); return true;
      case kBinString: push_text(cursor_.take<uint32_t>()); return true;
      case kShortBinUnicode: push_text(cursor_.take<uint8_t>()); return true;
      case kShortBinString: push_text(cursor_.take<uint8_t>()); return true;
      default: return false;
    }
  }

  bool memo(uint8_t op) {
    switch (op) {
      case kProto: check_protocol(cursor_.take<uint8_t>()); return true;
      case kFrame: cursor_.take_count(1, "bytes in a frame"); return true;
      case kMark: stack_.push_mark(); return true;
      case kBinPut: stack_.put(cursor_.take<uint8_t>()); return true;
      case kLongBinPut: stack_.put(cursor_.take<uint32_t>()); return true;
      case kMemoize: stack_.put_next(); return true;
      case kBinGet: stack_.get(cursor_.take<uint8_t>()); return true;
      case kLongBinGet: stack_.get(cursor_.take<uint32_t>()); return true;
      default: return false;
    }
  }

  bool container(uint8_t op) {
    switch (op) {
      case kEmptyDict: stack_.push_container(Kind::kDict, {}); return true;
      case kEmptyList: stack_.push_container(Kind::kList, {}); return true;
      case kEmptyTuple: stack_.push_container(Kind::kTuple, {}); return true;
      case kDict: stack_.push_container(Kind::kDict, stack_.pop_mark()); return true;
      case kList: stack_.push_container(Kind::kList, stack_.pop_mark()); return true;
      case kTuple: stack_.push_container(Kind::kTuple, stack_.pop_mark()); return true;
      case kTuple1: stack_.push_container(Kind::kTuple, stack_.pop_many(1)); return true;
      case kTuple2: stack_.push_container(Kind::kTuple, stack_.pop_many(2)); return true;
      case kTuple3: stack_.push_container(Kind::kTuple, stack_.pop_many(3)); return true;
      case kAppend: stack_.extend(Kind::kList, stack_.pop_many(1)); return true;
      case kAppends: stack_.extend(Kind::kList, stack_.pop_mark()); return true;
      case kSetItem: stack_.extend(Kind::kDict, stack_.pop_many(2)); return true;
      case kSetItems: stack_.extend(Kind::kDict, stack_.pop_mark()); return true;
      default: return false;
    }
  }

  bool object(uint8_t op) {
    switch (op) {
      case kGlobal: {
        const auto module = cursor_.take_until('\n', kMaxName, "a module's name");
        push_global(module, cursor_.take_until('\n', kMaxName, "a function's name"));
        return true;
      }
      case kStackGlobal: stack_global(); return true;
      case kReduce: reduce(); return true;
      case kBuild: build(); return true;
      case kBinPersId: stack_.push(make_storage(pop_tuple("a persistent id"), cursor_)); return true;
      default: return false;
    }
  }

  void check_protocol(int protocol) const {
    if (protocol < 2 || protocol > 5) cursor_.fail(fmt::format("pickle protocol {}, wanted 2 to 5", protocol));
  }

  void push_text(uint64_t length) { stack_.push(cursor_.take_view(length, "text")); }

  void push_long(std::string_view bytes) {
    if (bytes.size() > 8) return stack_.push(PickleLong{bytes});
    uint64_t value = 0;
    for (size_t i = 0; i < 8; ++i) {
      const bool sign = !bytes.empty() && (bytes.back() & 0x80) != 0;
      const uint64_t byte = i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : sign ? 0xff : 0;
      value |= byte << (8 * i);
    }
    stack_.push(static_cast<int64_t>(value));
  }

  void push_global(std::string_view module, std::string_view name) {
    const auto found = find_pickle_global(module, name);
    if (!found)
      cursor_.fail(fmt::format("names {}.{}, which is not part of a file of tensors; nothing of it was run",
                               printable(module, 80), printable(name, 80)));
    stack_.push(*found);
  }

  void stack_global() {
    const PickleValue name = stack_.pop(), module = stack_.pop();
    const auto *name_text = std::get_if<std::string_view>(&name), *module_text = std::get_if<std::string_view>(&module);
    if (!name_text || !module_text) cursor_.fail("a function's name that is no text");
    push_global(*module_text, *name_text);
  }

  std::vector<PickleValue> pop_tuple(const char* what) {
    const PickleValue value = stack_.pop();
    const auto* items = items_of(stack_.containers, value, Kind::kTuple);
    if (!items) cursor_.fail(fmt::format("{} that is no tuple", what));
    return *items;
  }

  void reduce() {
    const auto arguments = pop_tuple("arguments");
    const PickleValue callee = stack_.pop();
    const auto* function = std::get_if<PickleFunction>(&callee);
    if (!function) cursor_.fail("calls what is no function");
    switch (*function) {
      case PickleFunction::kOrderedDict:
        if (!arguments.empty()) cursor_.fail("an OrderedDict with arguments");
        return stack_.push_container(Kind::kDict, {});
      case PickleFunction::kRebuildTensor: return push_tensor(arguments);
      case PickleFunction::kRebuildParameter:
        if (arguments.size() != 3 || !std::holds_alternative<PickleTensor>(arguments[0]))
          cursor_.fail("a parameter that is no tensor, flag and hooks");
        return stack_.push(arguments[0]);
    }
  }

  void push_tensor(const std::vector<PickleValue>& arguments) {
    if (document_.tensors.size() == kMaxTensors) cursor_.fail(fmt::format("more than {} tensors", kMaxTensors));
    document_.tensors.push_back(make_tensor(arguments, stack_.containers, cursor_));
    stack_.push(PickleTensor{document_.tensors.size() - 1});
  }

  /// The attributes of a state dict (`_metadata`: versions of modules) are dropped.
  void build() {
    stack_.pop();
    if (!items_of(stack_.containers, stack_.top(), Kind::kDict))
      cursor_.fail("sets attributes of what is no OrderedDict");
  }

  ByteCursor cursor_;
  PickleStack stack_;
  PickleDocument document_;
};

}  // namespace

PickleDocument read_pickle(std::span<const std::byte> bytes, const std::string& file) {
  return PickleMachine(bytes, file).run();
}

}  // namespace ingot::checkpoint
