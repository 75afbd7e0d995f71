#include "generate/chat.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <istream>
#include <ostream>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/stop.h"

namespace ingot::generate {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

/// Text of an answer as it comes, without the tokens that end it.
class AnswerText {
 public:
  AnswerText(const ChatParts& parts, const std::vector<data::TokenId>& prompt, const std::vector<data::TokenId>& stops)
      : stream_(parts.tokenizer, prompt), stops_(stops) {}

  /// What `token` adds, without white space in front of the whole.
  std::string add(data::TokenId token) {
    stopped_ = std::find(stops_.begin(), stops_.end(), token) != stops_.end();
    return stopped_ ? "" : take(stream_.add(token));
  }
  std::string finish() { return take(stream_.finish()); }
  bool stopped() const { return stopped_; }
  const std::string& text() const { return text_; }

 private:
  std::string take(std::string piece) {
    text_ += piece;
    const auto first = std::find_if_not(piece.begin(), piece.end(), is_space);
    if (!shown_) piece.erase(piece.begin(), first);
    shown_ = shown_ || !piece.empty();
    return piece;
  }

  TextStream stream_;
  const std::vector<data::TokenId>& stops_;
  std::string text_;
  bool stopped_ = false, shown_ = false;
};

/// Waits for a line of a terminal; false when a signal came first, behind which a read would go on. Looks ten times a
/// second: a signal may come just before the wait.
bool wait_for_terminal(std::istream& in) {
  if (in.rdbuf()->in_avail() > 0) return true;
  pollfd wanted{STDIN_FILENO, POLLIN, 0};
  while (!stop_requested() && ::poll(&wanted, 1, 100) <= 0) {
  }
  return !stop_requested();
}

bool next_line(const ChatStyle& style, std::istream& in, std::ostream& out, std::string& line) {
  if (style.terminal) {
    out << "> " << std::flush;
    if (!wait_for_terminal(in)) return false;
  }
  const NothingToSave waiting;
  return static_cast<bool>(std::getline(in, line));
}

void print_answer(const ChatStyle& style, ChatSession& session, const std::string& message, std::ostream& out) {
  const auto show = [&](const std::string& piece) {
    if (!style.json) out << piece << std::flush;
  };
  const ChatAnswer answer = session.answer(message, show);
  if (style.json)
    out << json_text({{"role", "assistant"}, {"content", answer.content}, {"finish_reason", answer.finish_reason},
                      {"prompt_ids", answer.prompt_ids}, {"ids", answer.ids}});
  out << std::endl;
}

}  // namespace

ChatSession::ChatSession(ChatParts parts, SamplingOptions sampling, const std::optional<std::string>& system)
    : parts_(std::move(parts)), sampling_(std::move(sampling)) {
  if (!system) return;
  conversation_.messages.push_back({data::Role::kSystem, *system});
  first_ = 1;
}

void ChatSession::reset() { conversation_.messages.resize(first_); }

std::vector<data::TokenId> ChatSession::prompt_ids() {
  const auto limit = static_cast<size_t>(std::max<int64_t>(0, parts_.model.config.max_position_embeddings));
  auto ids = parts_.chat.prompt(conversation_, parts_.tokenizer).ids;
  auto& messages = conversation_.messages;
  const auto first = static_cast<int64_t>(first_);
  for (; ids.size() >= limit && messages.size() > first_ + 2; ids = parts_.chat.prompt(conversation_, parts_.tokenizer).ids) {
    messages.erase(messages.begin() + first, messages.begin() + first + 2);  // a message and its answer
    log_warning(fmt::format("the conversation has {} tokens, the model {} positions: the oldest turn is forgotten",
                            ids.size(), limit));
  }
  expect_known_ids(ids, parts_.model.config.vocab_size, parts_.folder);
  return ids;
}

ChatAnswer ChatSession::answer(const std::string& message, const std::function<void(const std::string&)>& show) {
  conversation_.messages.push_back({data::Role::kUser, message});
  ChatAnswer answer;
  answer.prompt_ids = prompt_ids();
  AnswerText text(parts_, answer.prompt_ids, sampling_.stop_ids);
  answer.ids = sample_tokens(parts_.model, answer.prompt_ids, sampling_, read_,
                             [&](data::TokenId token) { show(text.add(token)); });
  show(text.finish());
  answer.content = parts_.chat.answer(text.text());
  answer.finish_reason = text.stopped() ? "stop" : stop_requested() ? "interrupted" : "length";
  conversation_.messages.push_back({data::Role::kAssistant, answer.content});
  ++sampling_.seed;
  return answer;
}

int run_chat(const ChatStyle& style, ChatSession& session, std::istream& in, std::ostream& out) {
  if (!style.prompt.empty()) {
    print_answer(style, session, style.prompt, out);
    return kExitOk;
  }
  if (style.terminal) log_info("/reset forgets the conversation, /exit or Ctrl-D ends, Ctrl-C stops an answer");
  for (std::string line; next_line(style, in, out, line);) {
    if (line == "/exit") break;
    if (line == "/reset") session.reset();
    else if (!line.empty()) print_answer(style, session, line, out);
    if (stop_requested() != SIGINT && stop_requested() != 0) return kExitTerminated;
    clear_stop();  // it stopped the answer
  }
  if (style.terminal) out << std::endl;
  return kExitOk;
}

}  // namespace ingot::generate
