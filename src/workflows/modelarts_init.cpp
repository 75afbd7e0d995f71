// The package of scripts: what ModelArts' engineers start, each a few lines of POSIX shell that set variables and call this program.
#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <map>
#include <ostream>
#include <string>

#include "core/error.h"
#include "core/file.h"
#include "workflows/modelarts.h"

namespace ingot::workflows {
namespace fs = std::filesystem;
namespace {

/// A model's folder of scripts and the values for 4,096 tokens. Source: CONTRACT §3.2, its proposals where Huawei's rows are not public;
/// micro and global batches of §3.1 and appendix A.
struct Package {
  const char *family, *size, *model;
  int tp, pp, micro, micro_lora, global;
};
constexpr std::array<Package, 32> kPackages{{
    // family, size, model, TP, PP, MBS, MBS of LoRA, GBS
    {"llama2", "7b", "llama2-7b", 1, 4, 1, 2, 256},       {"llama2", "13b", "llama2-13b", 8, 1, 4, 4, 512},
    {"llama2", "70b", "llama2-70b", 8, 4, 1, 2, 128},     {"llama3", "8b", "llama3-8b", 4, 1, 2, 2, 64},
    {"llama3", "70b", "llama3-70b", 8, 4, 1, 2, 512},     {"qwen", "7b", "qwen-7b", 4, 1, 2, 2, 64},
    {"qwen", "14b", "qwen-14b", 8, 1, 4, 4, 64},          {"qwen", "72b", "qwen-72b", 8, 4, 1, 2, 512},
    {"qwen1.5", "7b", "qwen1.5-7b", 4, 1, 2, 2, 64},      {"qwen1.5", "14b", "qwen1.5-14b", 8, 1, 1, 2, 64},
    {"qwen1.5", "32b", "qwen1.5-32b", 8, 2, 1, 2, 64},    {"qwen1.5", "72b", "qwen1.5-72b", 8, 4, 1, 2, 64},
    {"yi", "6b", "yi-6b", 1, 4, 1, 2, 64},                {"yi", "34b", "yi-34b", 8, 2, 2, 2, 1024},
    {"glm3", "6b", "glm3-6b", 1, 4, 1, 2, 128},           {"baichuan2", "13b", "baichuan2-13b", 8, 1, 2, 2, 128},
    {"qwen2", "0.5b", "qwen2-0.5b", 1, 1, 2, 2, 128},     {"qwen2", "1.5b", "qwen2-1.5b", 1, 1, 2, 2, 64},
    {"qwen2", "7b", "qwen2-7b", 4, 1, 1, 2, 256},         {"qwen2", "72b", "qwen2-72b", 8, 4, 1, 2, 64},
    {"glm4", "9b", "glm4-9b", 2, 4, 1, 2, 64},            {"mistral", "7b", "mistral-7b", 4, 1, 1, 2, 32},
    {"mixtral", "8x7b", "mixtral-8x7b", 8, 2, 1, 1, 32},  {"llama3.1", "8b", "llama3.1-8b", 4, 1, 2, 2, 64},
    {"llama3.1", "70b", "llama3.1-70b", 8, 4, 1, 2, 512}, {"qwen2.5", "0.5b", "qwen2.5-0.5b", 1, 1, 2, 2, 128},
    {"qwen2.5", "7b", "qwen2.5-7b", 2, 1, 1, 2, 64},      {"qwen2.5", "14b", "qwen2.5-14b", 8, 1, 1, 2, 64},
    {"qwen2.5", "32b", "qwen2.5-32b", 8, 2, 1, 2, 64},    {"qwen2.5", "72b", "qwen2.5-72b", 8, 4, 1, 2, 64},
    {"llama3.2", "1b", "llama3.2-1b", 1, 1, 2, 2, 64},    {"llama3.2", "3b", "llama3.2-3b", 1, 2, 2, 2, 64},
}};

struct Kind {
  const char *name, *english, *chinese, *data, *handler;
};
constexpr Kind kKinds[] = {
    {"pretrain", "Pre-training", "预训练", "train-00000-of-00001-a09b74b3ef9c3b56.parquet", "GeneralPretrainHandler"},
    {"sft", "Full fine-tuning", "SFT 全参微调", "alpaca_gpt4_data.json", "GeneralInstructionHandler"},
    {"lora", "LoRA fine-tuning", "LoRA 微调", "alpaca_gpt4_data.json", "GeneralInstructionHandler"},
};

std::string entry_script(const Package& package, const Kind& kind) {
  const bool is_lora = std::string(kind.name) == "lora";
  return fmt::format(R"sh(#!/bin/sh
# {english} of {model} / {chinese} {model}
#   sh scripts/{family}/0_pl_{kind}_{size}.sh <MASTER_ADDR> <NNODES> <NODE_RANK>
#   MASTER_ADDR=<addr> NNODES=<n> NODE_RANK=<i> sh scripts/{family}/0_pl_{kind}_{size}.sh
# --dry-run prints what would run / 只打印将要运行的内容. A variable of the environment comes before the value here / 环境变量优先于此处的值.
set -eu
set -a  # whatever is set here is a variable of the job / 此处设置的都是任务的变量
SHELL_FOLDER=$(dirname "$(readlink -f "$0")")
workdir=$(readlink -f "$SHELL_FOLDER/../../../..")

# Data and weights, to be changed / 数据与权重,必须修改
: "${{ORIGINAL_TRAIN_DATA_PATH:=$workdir/training_data/{data}}}"
: "${{ORIGINAL_HF_WEIGHT:=$workdir/models/{model}}}"

# What is trained / 训练内容
: "${{MODEL_NAME:={model}}}"
: "${{RUN_TYPE:={kind}}}"
: "${{DATA_TYPE:={handler}}}"

# Batch, layout, steps / 批次、并行、步数. SN and TRAIN_ITERS are counted / SN 与 TRAIN_ITERS 自动计算
: "${{MBS:={micro}}}"
: "${{GBS:={global}}}"
: "${{TP:={tp}}}"
: "${{PP:={pp}}}"
: "${{CP:=1}}"
: "${{LR:=2.5e-5}}"
: "${{MIN_LR:=2.5e-6}}"
: "${{SEQ_LEN:=4096}}"
: "${{EPOCH:=5}}"
: "${{SEED:=1234}}"
: "${{SAVE_INTERVAL:=10}}"

# Folders / 目录
: "${{INPUT_PROCESSED_DIR:=$workdir/llm_train/processed_for_input/$MODEL_NAME}}"
: "${{OUTPUT_SAVE_DIR:=$workdir/llm_train/saved_dir_for_output}}"

# CONVERT_MG2HF=TRUE: the trained Hugging Face folder appears as saved_models/{kind}_hf / 训练后的 Hugging Face 目录
# MA_TRAIN_AUTO_RESUME=1, CKPT_LOAD_TYPE=0|1|2, USER_CONVERTED_CKPT_PATH: docs/modelarts.md
exec sh "$SHELL_FOLDER/../dev_pipeline.sh" "$@"
)sh",
                     fmt::arg("english", kind.english), fmt::arg("chinese", kind.chinese), fmt::arg("model", package.model), fmt::arg("family", package.family),
                     fmt::arg("kind", kind.name), fmt::arg("size", package.size), fmt::arg("data", kind.data), fmt::arg("handler", kind.handler),
                     fmt::arg("micro", is_lora ? package.micro_lora : package.micro), fmt::arg("global", package.global), fmt::arg("tp", package.tp),
                     fmt::arg("pp", package.pp));
}

constexpr const char* kPipeline = R"sh(#!/bin/sh
# What all 0_pl_* scripts call / 各 0_pl_* 脚本共同调用: [MASTER_ADDR NNODES NODE_RANK] [--dry-run]
# Data is prepared where it is not yet, weights are read as they are, so there is nothing to convert before.
# 数据未处理时自动处理;权重直接读取,训练前无需转换。
set -eu
dry_run=
if [ "${1:-}" = --dry-run ]; then dry_run=--dry-run; shift; fi
if [ $# -ge 3 ]; then
  MASTER_ADDR=$1 NNODES=$2 NODE_RANK=$3
  export MASTER_ADDR NNODES NODE_RANK
  shift 3
fi
if [ "${1:-}" = --dry-run ]; then dry_run=--dry-run; shift; fi
if [ $# -ne 0 ]; then
  echo "usage: sh 0_pl_<type>_<size>.sh [<MASTER_ADDR> <NNODES> <NODE_RANK>] [--dry-run]" >&2
  exit 2
fi
exec sh "$SHELL_FOLDER/3_training.sh" ${dry_run:+"$dry_run"}
)sh";

constexpr const char* kPreprocess = R"sh(#!/bin/sh
# Prepares the data alone / 仅做数据预处理: sh 1_preprocess_data.sh [pretrain|sft|lora]
set -eu
if [ $# -gt 0 ]; then RUN_TYPE=$1; export RUN_TYPE; shift; fi
. "$(dirname "$(readlink -f "$0")")/../program.sh"
exec "$INGOT" modelarts preprocess "$@"
)sh";

constexpr const char* kConvert = R"sh(#!/bin/sh
# sh 2_convert_mg_hf.sh hf2hg | mg2hf    (hf2mg and mg2hg, too)
set -eu
if [ "${CONVERT_HFTOMG:-}" = False ]; then set -- mg2hf; fi
. "$(dirname "$(readlink -f "$0")")/../program.sh"
case "${1:-}" in
  hf2hg | hf2mg) echo "nothing to convert: weights are read as they are, whatever TP and PP / 权重直接读取,无需转换" ;;
  mg2hf | mg2hg) shift; exec "$INGOT" modelarts export "$@" ;;
  *) echo "usage: sh 2_convert_mg_hf.sh hf2hg|mg2hf" >&2; exit 2 ;;
esac
)sh";

constexpr const char* kTraining = R"sh(#!/bin/sh
# The training command / 训练命令. Arguments of Megatron and ModelLink go behind it / 可在其后添加 Megatron 与 ModelLink 的参数, e.g.
#   exec "$INGOT" modelarts train "$@" --recompute-granularity full --lora-r 8 --lora-alpha 16
set -eu
. "$(dirname "$(readlink -f "$0")")/../program.sh"
exec "$INGOT" modelarts train "$@"
)sh";

constexpr const char* kInstall = R"sh(#!/bin/sh
# Nothing is downloaded or built: the program is one folder / 无需下载或编译. An argument (modellink, llamafactory) changes nothing.
set -eu
. "$(dirname "$(readlink -f "$0")")/program.sh"
"$INGOT" --version
)sh";

constexpr const char* kInstallTypo = R"sh(#!/bin/sh
# The name under which some editions of the documents have install.sh / 部分文档中 install.sh 的写法
exec sh "$(dirname "$(readlink -f "$0")")/install.sh" "$@"
)sh";

/// Where the program is: where it was when it made the package, else on the path.
std::string program_script(const fs::path& program) {
  std::string quoted;
  for (const char c : program.string()) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return fmt::format("#!/bin/sh\n# INGOT: the program / 程序的位置\nif [ -z \"${{INGOT:-}}\" ]; then INGOT='{}'; fi\nif [ ! -x \"$INGOT\" ]; then INGOT=ingot; fi\n", quoted);
}

std::map<std::string, std::string> package_files(const fs::path& program) {
  std::map<std::string, std::string> files{{"dev_pipeline.sh", kPipeline}, {"install.sh", kInstall}, {"intall.sh", kInstallTypo}, {"program.sh", program_script(program)}};
  for (const auto& package : kPackages) {
    const std::string folder = std::string(package.family) + "/";
    for (const auto& kind : kKinds) files[fmt::format("{}0_pl_{}_{}.sh", folder, kind.name, package.size)] = entry_script(package, kind);
    files[folder + "1_preprocess_data.sh"] = kPreprocess;
    files[folder + "2_convert_mg_hf.sh"] = kConvert;
    files[folder + "3_training.sh"] = kTraining;
  }
  return files;
}

}  // namespace

int modelarts_init(const ModelArtsInitRequest& request, std::ostream& out) {
  const fs::path scripts = request.folder / "llm_train/AscendSpeed/scripts";
  int64_t written = 0;
  for (const auto& [name, text] : package_files(fs::read_symlink("/proc/self/exe"))) {
    const fs::path file = scripts / name;
    if (fs::exists(file) && read_file(file) != text && name != "program.sh") {
      out << fmt::format("kept, it was changed by hand: {}\n", file.string());
      continue;
    }
    make_folder(file.parent_path());
    write_file(file, text);
    fs::permissions(file, fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec | fs::perms::others_read | fs::perms::others_exec);
    ++written;
  }
  for (const char* folder : {"training_data", "models", "tokenizers"}) make_folder(request.folder / folder);
  out << fmt::format("{} scripts in {}\nnext: put data into {}, a model into {}, then sh scripts/llama2/0_pl_pretrain_13b.sh localhost 1 0 there, with --dry-run first\n", written,
                     scripts.string(), (request.folder / "training_data").string(), (request.folder / "models").string());
  return kExitOk;
}

}  // namespace ingot::workflows
