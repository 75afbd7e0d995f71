#include "cli/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>

namespace ingot::cli {
namespace {

/// What CLI's ranges let through: no number is below or above them.
std::string is_number(const std::string& text) {
  return std::isfinite(std::strtod(text.c_str(), nullptr)) ? "" : fmt::format("found {}, wanted a finite number", text);
}

void add_compute(CLI::App& verb, std::string& precision, std::string& device) {
  verb.add_option("--precision", precision, "auto, bf16, fp32")->check(CLI::IsMember({"auto", "bf16", "fp32"}))->capture_default_str();
  verb.add_option("--device", device, "auto, cpu, cuda, npu")->check(CLI::IsMember({"auto", "cpu", "cuda", "npu"}))->capture_default_str();
}

}  // namespace

void add_evaluate(CLI::App& app, const Jobs& jobs, int& exit_code) {
  auto request = std::make_shared<workflows::EvaluateRequest>();
  CLI::App* verb = add_verb(app, "eval", "Mean loss, perplexity and token accuracy of a model on files",
                            "  ingot eval --model smollm2 --data book.txt\n"
                            "  ingot eval --model smollm2 --data ids.jsonl --json\n"
                            "  ingot eval --model smollm2 --data alpaca.json --data sharegpt.jsonl\n"
                            "  ingot eval --model output/run/model --data held-out.jsonl --config run.yaml\n\n"
                            "Raw text: each document is tokenized with what the tokenizer's files add around a text, and scored in\n"
                            "windows of --seq-length. Records {\"input_ids\": [...]} are scored one by one, no token added, where their labels are not -100.\n"
                            "Conversations are put into the chat template, and their labels alone are scored. A record that cannot be\n"
                            "scored is counted and named; the rest goes on.");
  verb->add_option("--model", request->model, "Hugging Face folder")->required();
  verb->add_option("--adapter", request->adapter, "LoRA adapter folder to add");
  verb->add_option("--data", request->data, "A data file or folder (see `preprocess`), or a JSONL of input_ids; may be repeated")
      ->required()->allow_extra_args(false);
  verb->add_option("--config", request->config, "Training configuration: data is read as it says (columns, map_keys, template, cutoff_len ...)");
  verb->add_option("--kind", request->kind, "text, chat, ids, or auto: by stage of --config, else by the first record, text where it has the column")
      ->check(CLI::IsMember({"auto", "text", "chat", "ids"}))->capture_default_str();
  verb->add_option("--template", request->chat_template, "Chat template's name or YAML file; the one that fits the model when not given");
  verb->add_option("--column", request->column, "Text column; text, or that of --config");
  verb->add_option("--seq-length", request->seq_length, "Tokens a window of raw text; 1024, or cutoff_len of --config")->check(CLI::PositiveNumber);
  add_compute(*verb, request->precision, request->device);
  verb->add_flag("--json", request->json, "Print one object: {\"loss\", \"perplexity\", \"tokens\", \"accuracy\", \"data\": [each]}");
  verb->callback([request, job = jobs.evaluate, &exit_code] { exit_code = job(*request); });
}

void add_generate(CLI::App& app, const Jobs& jobs, int& exit_code) {
  auto request = std::make_shared<workflows::GenerateRequest>();
  CLI::App* verb = add_verb(app, "generate", "Continue a text with a model",
                            "  ingot generate --model smollm2 --prompt \"Once upon a time\"\n"
                            "  ingot generate --model smollm2 --prompt \"To be\" --temperature 0.8 --top-p 0.9 --seed 1 --json\n"
                            "  ingot generate --model smollm2 --chat\n"
                            "  ingot generate --model smollm2 --chat --system \"Answer with one word.\" --prompt \"Is water wet?\"\n"
                            "  printf 'Hi\\nWho are you?\\n' | ingot generate --model smollm2 --chat --json\n\n"
                            "With --chat the model's generation_config.json says how tokens are chosen, and these flags in its place.\n"
                            "With --chat and no --prompt every line of standard input is a message: /reset forgets the conversation,\n"
                            "/exit or Ctrl-D ends, Ctrl-C stops an answer and a second one ends.");
  verb->add_option("--model", request->model, "Hugging Face folder")->required();
  verb->add_option("--adapter", request->adapter, "LoRA adapter folder to add");
  auto* prompt = verb->add_option("--prompt", request->prompt, "Text to continue; with --chat a message to answer");
  auto* chat = verb->add_flag("--chat", request->chat, "Talk with the model in its chat template");
  verb->add_option("--template", request->template_name, "Chat template: a name or a YAML file; else the model's own")
      ->needs(chat);
  verb->add_option("--system", request->system, "System message; else the template's own")->needs(chat);
  auto* length = verb->add_option("--max-new-tokens", request->max_new_tokens, "Tokens to make at most; 1024 with --chat")
                     ->check(CLI::NonNegativeNumber)->capture_default_str();
  verb->add_option("--temperature", request->temperature, "0 takes the likeliest token [0]")
      ->check(CLI::NonNegativeNumber)->check(is_number);
  verb->add_option("--top-p", request->top_p, "Likeliest tokens up to this probability [1]")
      ->check(CLI::Range(1e-6, 1.0))->check(is_number);
  verb->add_option("--top-k", request->top_k, "This many likeliest tokens; 0 for all [0]")->check(CLI::NonNegativeNumber);
  verb->add_option("--repetition-penalty", request->repetition_penalty, "Above 1: tokens that were read or made are less likely [1]")
      ->check(CLI::PositiveNumber)->check(is_number);
  verb->add_flag("--verbose", request->verbose, "Tell how tokens are chosen");
  verb->add_option("--seed", request->seed, "Of the random choice")->capture_default_str();
  add_compute(*verb, request->precision, request->device);
  verb->add_flag("--ignore-eos", request->ignore_eos, "Go on behind an end-of-text token");
  verb->add_flag("--json", request->json, "Print one object with prompt_ids, ids and text; with --chat one an answer");
  verb->callback([=, job = jobs.generate, &exit_code] {
    if (prompt->empty() && chat->empty()) throw CLI::RequiredError("--prompt or --chat");
    if (length->empty() && request->chat) request->max_new_tokens = 1024;
    request->terminal = ::isatty(STDIN_FILENO) != 0;
    exit_code = job(*request);
  });
}

}  // namespace ingot::cli
