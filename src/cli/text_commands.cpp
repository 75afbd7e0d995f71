#include "cli/commands.h"

#include <unistd.h>

namespace ingot::cli {

void add_tokenize(CLI::App& app, const Jobs& jobs, int& exit_code) {
  auto request = std::make_shared<workflows::TokenizeRequest>();
  CLI::App* verb = add_verb(app, "tokenize", "Lines of text to JSON lists of token ids, and back",
                            "  echo \"Hello world\" | ingot tokenize --model smollm2\n"
                            "  echo \"[19556, 905]\" | ingot tokenize --model smollm2 --decode\n"
                            "  echo '[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Hello!\"}]' \\\n"
                            "    | ingot tokenize --model smollm2 --chat\n\n"
                            "Reads standard input; the folder needs tokenizer files only.");
  verb->add_option("--model", request->model, "Folder with tokenizer files")->required();
  auto* decode = verb->add_flag("--decode", request->decode, "Lists of ids in, text out");
  auto* add = verb->add_flag("--add-special-tokens", request->add_special_tokens, "Add what the tokenizer's files add (bos, eos)");
  verb->add_flag("--ordinary", request->ordinary, "Take the texts of special tokens as plain text")->excludes(decode)->excludes(add);
  verb->add_flag("--json", request->json, "A text line is a JSON string, so that newlines can be in it");
  auto* chat = verb->add_flag("--chat", request->chat, "A JSON list of messages a line in; text, input_ids, loss_mask out")
                   ->excludes("--decode")->excludes("--add-special-tokens");
  verb->add_option("--template", request->template_name, "Chat template: a name or a YAML file; else the model's own")
      ->needs(chat);
  verb->add_flag("--vendor-labels", request->vendor_labels, "Labels as the vendor's own script sets them")->needs(chat);
  verb->callback([request, job = jobs.tokenize, &exit_code] { exit_code = job(*request); });
}

void add_inspect(CLI::App& app, const Jobs& jobs, int& exit_code) {
  auto request = std::make_shared<workflows::InspectRequest>();
  auto raw = std::make_shared<workflows::InspectRawRequest>();
  CLI::App* verb = add_verb(app, "inspect", "Show what the model sees: rows, samples with their labels, ledgers, raw files",
                            "  ingot inspect run.yaml                  # what became of every record, and warnings\n"
                            "  ingot inspect run.yaml --row 3          # stage pt: a row of cutoff_len tokens\n"
                            "  ingot inspect run.yaml --sample 17      # a conversation as tokens, its labels, its file and row\n"
                            "  ingot inspect output/run/data/train_text_document --model smollm2 --row 3 --seq-length 512\n"
                            "  ingot inspect --raw corpus.parquet --limit 5");
  auto* path = verb->add_option("path", request->path, "A YAML configuration, or the PREFIX of a preprocessed data set (PREFIX.bin and PREFIX.idx)");
  verb->add_option("--model", request->model, "Folder with tokenizer files, to show texts");
  verb->add_option("--row", request->row, "Stage pt: row number from 0; of a PREFIX 0 when not given")->check(CLI::NonNegativeNumber);
  verb->add_option("--seq-length", request->seq_length, "Tokens a row; cutoff_len of the configuration, else 1024")->check(CLI::PositiveNumber);
  verb->add_option("--sample", request->sample, "Stage sft: sample number from 0")->check(CLI::NonNegativeNumber);
  verb->add_flag("--color", request->color, "Colour also where the output is no terminal");
  verb->add_flag("--json", request->json, "Print one object");
  auto* file = verb->add_option("--raw", raw->file, "A raw data file, shown as one JSON object a row")->excludes(path);
  verb->add_option("--limit", raw->limit, "With --raw: rows at most")->capture_default_str();
  verb->callback([=, inspect = jobs.inspect, inspect_raw = jobs.inspect_raw, &exit_code] {
    request->color = request->color || ::isatty(STDOUT_FILENO) == 1;
    if (path->empty() && file->empty()) throw CLI::RequiredError("path or --raw");
    exit_code = file->empty() ? inspect(*request) : inspect_raw(*raw);
  });
}

void add_models(CLI::App& app, const Jobs& jobs, int& exit_code) {
  auto request = std::make_shared<workflows::ModelsRequest>();
  CLI::App* verb = add_verb(app, "models", "List the models that Ingot is built for", "  ingot models\n  ingot models --json");
  verb->add_flag("--json", request->json, "Print a JSON list");
  verb->callback([request, job = jobs.models, &exit_code] { exit_code = job(*request); });
}

}  // namespace ingot::cli
