"""The table: each field of Olive 0.2 to 0.9, by its address (see roles.py), and its fate.

A field that is not here is reported as unknown. `at` is where it stands in a project of today;
empty where it has no place any more, and then `why` says why. `convert` makes today's value, and
raises `DroppedField` where this very value has no place.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from phi3scaffold.migration import azure, sources
from phi3scaffold.migration import conversions as to
from phi3scaffold.migration.conversions import Conversion
from phi3scaffold.migration.old_config import Leaf

OLIVE = "fine-tuning/olive-config.json: "
PASS = f"{OLIVE}passes.finetune."
MERGE, BUILD = f"{OLIVE}passes.merge.type", f"{OLIVE}passes.build.type"
ARGS = f"{PASS}training_args."
DATASET = "datasets/dataset.yaml: "
PROJECT = "project.yaml: "
AZURE = f"{PROJECT}azure."
JOB = "fine-tuning/job.yml: "
CLOUD_ROWS = f"{JOB}inputs.rows.path"
REGISTRY = f"{JOB}inputs.model.path"
OPTION = "--"

ROWS = "the runtime packs whole rows and masks the question itself"
REMOTE = "code from the hub is never run; transformers has this architecture"
BUILDER = "ModelBuilder makes what the runtime needs"
COMMENT = "in a comment there; otherwise the weights come from the hub"
ENGINE = "the pipeline runs the passes itself, with its own cache"
CODE = "code of the old project; rows are described in datasets/dataset.yaml"
SECTIONS = {
    "input_model": "an object",
    "systems": "an object of objects",
    "passes": "an object of objects",
    "data_configs": "a list of objects",
    "evaluators": "an object of objects",
}
# Where versions put the arguments of `from_pretrained`.
LOADING = ("load_kwargs", "hf_config.load_kwargs", "hf_config.from_pretrained_args",
           "hf_config.model_loading_args")  # fmt: skip
WORKSPACE = {
    "subscription_id": "subscription_id", "resource_group": "resource_group",
    "workspace_name": "workspace", "keyvault_name": "key_vault",
}  # fmt: skip


class Rule(NamedTuple):
    """How a field is converted."""

    at: str = ""
    why: str = ""
    convert: Conversion = to.same
    look: bool = False  # whether the person should look at what is lost


def _moved(at: str, convert: Conversion, *addresses: str) -> dict[str, Rule]:
    return {address: Rule(at, convert=convert) for address in addresses}


def _pass(convert: Conversion, *names: str) -> dict[str, Rule]:
    return {f"finetune.{name}": Rule(f"{PASS}{name}", convert=convert) for name in names}


def _args(convert: Conversion, *names: str) -> dict[str, Rule]:
    return _pass(convert, *(f"training_args.{name}" for name in names))


def _gone(why: str, *addresses: str, look: bool = False) -> dict[str, Rule]:
    return {address: Rule(why=why, look=look) for address in addresses}


def _below(prefix: str, rules: dict[str, Rule]) -> dict[str, Rule]:
    return {f"{prefix}{address}": rule for address, rule in rules.items()}


# fmt: off
# An address that ends with `.*` stands for everything below it that has no line of its own.
FIELDS: dict[str, Rule] = {
    # the model
    "model.type": Rule(f"{OLIVE}input_model.type", "today's name", to.always("HfModel")),
    **_moved(f"{PROJECT}model.id", sources.model, "model.hf_config.model_name",
             "model.model_path", "model.model_path.name"),
    **_moved(f"{OLIVE}input_model.task", to.generation, "model.hf_config.task", "model.task"),
    "model.model_path.registry_name": Rule(REGISTRY, COMMENT, azure.registry),
    "model.model_path.version": Rule(REGISTRY, COMMENT, azure.registry),
    **_gone("the weights come from the hub, at the revision of project.yaml",
            "model.model_path.type", "model.model_path.azureml_client.*"),
    **_moved(f"{PROJECT}model.revision", to.text,
             *(f"model.{name}.revision" for name in LOADING)),
    **_gone("training starts from the base model", "model.adapter_path", look=True),
    **_gone("Olive recognizes an MLflow folder by itself", "model.model_file_format"),
    **_gone("every model here generates text", "model.generative"),
    **_gone(REMOTE, *(f"model.{name}.trust_remote_code" for name in LOADING)),
    **_gone("the runtime loads the weights, in the training pass's torch_dtype",
            *(f"model.{name}.*" for name in LOADING)),
    **_gone(BUILDER, "model.io_config.*", "model.hf_config.components.*",
            "model.model_attributes.*"),
    **_gone("rows are described in datasets/dataset.yaml", "model.hf_config.dataset.*"),
    **_gone(CODE, "model.model_script", "model.script_dir", "model.model_loader",
            "model.dummy_inputs_func"),
    # systems
    **_moved(f"{OPTION}target", to.answer("target"), "system.type", "system.accelerators",
             "system.accelerators.device", "system.accelerators.execution_providers",
             "engine.execution_providers", "engine.host", "engine.target"),
    # Azure
    **{f"{part}.azureml_client.{old}": Rule(f"{AZURE}{new}", convert=azure.name)
       for part in ("engine", "system")
       for old, new in WORKSPACE.items()},
    **_gone("copy that file to .azureml/config.json in the project",
            "engine.azureml_client.aml_config_path", "system.azureml_client.aml_config_path",
            look=True),
    **_gone("Azure's libraries retry by themselves",
            "engine.azureml_client.*", "system.azureml_client.*"),
    "system.hf_token": Rule(f"{AZURE}hf_token_secret", "where Olive looked for it", azure.token),
    "system.aml_compute": Rule(f"{JOB}compute", convert=azure.compute),
    "system.aml_docker_config.base_image": Rule(f"{JOB}environment.image", convert=azure.image),
    "system.resources.instance_type": Rule(f"{JOB}resources.instance_type",
                                           convert=azure.instance_type),
    "system.resources.shm_size": Rule(f"{JOB}resources.shm_size", convert=azure.name),
    **_moved(f"{JOB}resources.instance_count", azure.instances,
             "system.resources.instance_count", "system.instance_count"),
    **_gone("setup/conda.yaml has the packages of the job, and fine-tuning/job.yml its image",
            "system.aml_docker_config.*", "system.aml_environment_config.*", "system.is_dev"),
    **_gone("fine-tuning/job.yml takes tags and resources as Azure ML writes them",
            "system.tags.*", "system.resources.*", look=True),
    **_gone("outputs.results of fine-tuning/job.yml says where results go", "system.datastores"),
    **_gone(
        "setup/ makes the project's environment",
        "system.python_environment_path", "system.environment_variables.*",
        "system.olive_managed_env", "system.requirements_file", "system.prepend_to_path",
    ),
    **_gone("a project has one system, that of host", "other_system.*"),
    # rows
    **_below("train.", {
        **_moved(f"{DATASET}files.train", sources.rows,
                 "load.data_files", "load.data_files.train", "load.data_dir"),
        **_moved(f"{DATASET}files.train", sources.data_set,
                 "load.data_name", "load.dataset_name"),
        "load.data_files.test": Rule(f"{DATASET}files.held_out", convert=sources.other_rows),
        "load.data_files.validation": Rule(f"{DATASET}files.validation",
                                           convert=sources.other_rows),
        "load.split": Rule(f"{DATASET}files.held_out", "the rest is held out", sources.split),
        "pre_process.text_template": Rule(f"{DATASET}turns", convert=sources.turns),
        "pre_process.text_cols": Rule(f"{DATASET}turns", convert=sources.columns),
        **_moved(f"{DATASET}max_tokens", to.whole,
                 "pre_process.source_max_len", "pre_process.max_seq_len"),
        "load.subset": Rule(f"{DATASET}files.train", "the files of that part", sources.part),
        **_gone("whole files are read; remove the rows that you do not want",
                "load.col_filters.*", "pre_process.max_samples", look=True),
        **_gone("the format follows from the file's ending", "load.type"),
        **_gone("the token comes from HF_TOKEN or the hub's login", "load.token",
                "load.use_auth_token"),
        **_gone(REMOTE, "load.trust_remote_code", "pre_process.trust_remote_code"),
        **_moved(CLOUD_ROWS, azure.rows, "load.data_files.type", "load.data_files.datastore_name",
                 "load.data_files.relative_path", "load.data_files.datastore_url"),
        "load.data_files.azureml_client.*": Rule(CLOUD_ROWS, convert=azure.other_client),
        **_gone(ROWS, "pre_process.dataset_type", "pre_process.corpus_strategy",
                "pre_process.strategy", "pre_process.pad_to_max_len", "pre_process.padding_side",
                "pre_process.drop_short_sequences", "pre_process.use_attention_mask",
                "pre_process.stride", "pre_process.joiner", "pre_process.random_seed",
                "pre_process.random_retries", "pre_process.processing_batch_size",
                "pre_process.type", "pre_process.task", "post_process.*", "dataloader.*",
                "load.batch_size"),
        **_gone("the model's own chat template writes the tags", "pre_process.add_special_tokens",
                "pre_process.chat_template", "pre_process.prepend_eos", "pre_process.model_name"),
        **_gone(CODE, "user_script", "script_dir", "pre_process.user_script",
                "pre_process.script_dir", "pre_process.text_formatting_func",
                "pre_process.message_col", look=True),
        **_gone("the data configs are called train and validation", "name"),
        **_gone("rows are read by the runtime's own components", "type"),
    }),
    "eval.load.data_files": Rule(f"{DATASET}files.held_out", convert=sources.other_rows),
    **_gone("held-out rows become the same turns as the others", "eval.*"),
    **_gone("no training pass uses it", "other_data.*"),
    # the training pass
    "finetune.type": Rule(f"{OPTION}algo", convert=to.algo),
    **_moved(f"{PASS}r", to.whole, "finetune.r", "finetune.lora_r"),
    **_moved(f"{PASS}alpha", to.number, "finetune.alpha", "finetune.lora_alpha"),
    "finetune.train_data_config": Rule(f"{PASS}train_data_config", "called train",
                                       to.always("train")),
    "finetune.eval_data_config": Rule(why=f"its rows are {DATASET}files.held_out"),
    "finetune.eval_dataset_size": Rule(f"{DATASET}files.held_out", convert=to.share),
    **_pass(to.modules, "target_modules"),
    **_pass(to.dtype, "torch_dtype"),
    **_pass(to.share_or_none, "lora_dropout"),
    **_pass(to.only_qlora, "double_quant", "quant_type", "compute_dtype"),
    **_pass(to.switch, "allow_tf32", "ephemeral_gpu_offload"),
    **_pass(to.listed, "modules_to_save"),
    **_pass(to.only_loha_lokr, "rank_dropout", "module_dropout"),
    **_pass(to.only_lokr, "decompose_both", "decompose_factor", "rank_dropout_scale"),
    **_gone("Olive removed its ONNX Runtime trainer",
            "finetune.use_ort_trainer", "finetune.ortmodule_onnx_opset_version"),
    **_gone("one process trains on one device", "finetune.device_map"),
    **_gone("--algo loftq is qlora here", "finetune.loftq_iter"),
    **_gone(CODE, "finetune.user_script", "finetune.script_dir"),
    # its training arguments
    **_args(to.whole, "per_device_train_batch_size", "gradient_accumulation_steps"),
    **_args(to.whole_or_nought, "seed", "data_seed", "dataloader_num_workers"),
    **_args(to.steps, "max_steps"),
    **_args(to.number, "learning_rate", "num_train_epochs", "logging_steps"),
    **_args(to.number_or_nought, "adam_beta1", "adam_beta2", "adam_epsilon", "max_grad_norm",
            "weight_decay", "neftune_noise_alpha", "warmup_steps"),
    **_args(to.switch, "gradient_checkpointing", "logging_first_step",
            "gradient_checkpointing_kwargs.use_reentrant"),
    **_args(to.text, "lr_scheduler_type", "logging_strategy"),
    **_args(to.optimizer, "optim"),
    "finetune.training_args.warmup_ratio": Rule(
        f"{ARGS}warmup_steps", "a share below 1 is the ratio", to.share_or_none
    ),
    "finetune.training_args.bf16": Rule(f"{PASS}torch_dtype", convert=to.dtype_switch("bfloat16")),
    "finetune.training_args.fp16": Rule(f"{PASS}torch_dtype", convert=to.dtype_switch("float16")),
    **_below("finetune.training_args.", {
        **_gone("training watches the validation rows, `phi3scaffold evaluate` the held-out ones",
                "evaluation_strategy", "eval_strategy", "eval_steps", "do_eval",
                "per_device_eval_batch_size", "load_best_model_at_end", "metric_for_best_model",
                "greater_is_better", "eval_delay", "eval_accumulation_steps"),
        **_gone("rows are packed: there is no padding that grouping could save", "group_by_length",
                "length_column_name", "train_sampling_strategy"),
        **_gone("training has its own checkpoints: checkpoint_minutes in project.yaml",
                "output_dir", "overwrite_output_dir", "resume_from_checkpoint", "save_strategy",
                "save_steps", "save_total_limit", "save_only_model", "save_safetensors"),
        **_gone("the pipeline writes its own log and report", "report_to", "run_name",
                "logging_dir", "disable_tqdm", "log_level"),
        **_gone("--target decides the device", "use_cpu", "no_cuda", "local_rank", "tf32"),
        **_gone(ROWS, "remove_unused_columns", "label_smoothing_factor", "label_names",
                "dataloader_drop_last"),
        **_gone("the runtime trains without it", "deepspeed", "deepspeed.*", "fsdp",
                "fsdp_config.*", "torch_compile", "use_liger_kernel"),
        **_gone("models are not published from here", "push_to_hub", "hub_model_id", "hub_token"),
        **_gone("it trains, always", "do_train"),
    }),
    # the passes after it
    "merge.type": Rule(MERGE, convert=to.always("MergeAdapterWeights")),
    "convert.merge_adapter_weights": Rule(MERGE, "a pass of its own today", to.merge),
    "build.type": Rule(BUILD, convert=to.always("ModelBuilder")),
    "build.precision": Rule(f"{OPTION}precision", convert=to.precision),
    "build.int4_accuracy_level": Rule(f"{OLIVE}passes.build.int4_accuracy_level",
                                      convert=to.accuracy_level),
    **_gone(BUILDER, "build.metadata_only", "build.enable_GQA_on_CPU", "build.search.*",
            "build.extra_options.*", "build.exclude_embeds", "build.exclude_lm_head",
            "build.enable_cuda_graph", "build.int4_is_symmetric", "build.int4_algo_config",
            "build.int4_op_types_to_quantize", "build.int4_nodes_to_exclude", "build.use_qdq"),
    "quantize.type": Rule(f"{OPTION}quantizer", convert=to.quantizer),
    **_moved(f"{OLIVE}passes.quantize.group_size", to.block,
             "build.int4_block_size", "quantize.group_size", "quantize.block_size"),
    **_gone("a quantizer runs before ModelBuilder: --quantizer, --recipe, --precision",
            "quantize.*"),
    **_gone("one pass trains: the first one, or that of pass_flows", "other_training.*"),
    **_gone("ModelBuilder converts and optimizes in one pass", "convert.*"),
    "other_pass.type": Rule(convert=to.no_pass),
    **_gone("of a pass that the pipeline does not run", "other_pass.*"),
    **_gone("`phi3scaffold adapters` makes one ONNX base with adapters over it", "extract.*"),
    **_gone(
        ENGINE,
        *(f"{role}.{name}" for role in ("finetune", "merge", "build")
          for name in ("disable_search", "host", "evaluator", "evaluator.*", "output_name",
                       "clean_run_cache")),
    ),
    # the engine
    "engine.log_severity_level": Rule(f"{OLIVE}log_severity_level", convert=to.whole_or_nought),
    **_gone("everything is written below gen-model/",
            "engine.cache_dir", "engine.output_dir", "engine.output_name"),
    **_gone(
        ENGINE,
        "engine.clean_cache", "engine.clean_evaluation_cache", "engine.cache_config.*",
        "engine.enable_shared_cache", "engine.workflow_id", "engine.pass_flows",
        "engine.packaging_config.*", "engine.evaluate_input_model", "engine.no_artifacts",
        "engine.plot_pareto_frontier", "engine.log_to_file", "engine.ort_log_severity_level",
        "engine.ort_py_log_severity_level", "engine.verbose",
    ),
    **_gone(
        "the settings are what the file says; nothing is searched",
        "engine.search_strategy", "engine.search_strategy.*", "engine.auto_optimizer_config.*",
    ),
    **_gone("`phi3scaffold evaluate` and the release thresholds in project.yaml do this",
            "engine.evaluators.*", "engine.evaluator", "engine.evaluator.*"),
}
# fmt: on


def rule_for(address: str) -> Rule | None:
    """Return the rule of an address, or None for an unknown field."""
    if address in FIELDS:
        return FIELDS[address]
    while address:
        if f"{address}.*" in FIELDS:
            return FIELDS[f"{address}.*"]
        address = address.rpartition(".")[0]
    return None


def wrong_shape(leaf: Leaf, address: str) -> str:
    """Return what is wrong with a field that has keys and should not, or the other way round."""
    if leaf.path[0] in SECTIONS and len(leaf.path) == 1:
        return f"{leaf.name} must be {SECTIONS[leaf.path[0]]}, not {json.dumps(leaf.value)}"
    if any(known.startswith(f"{address}.") for known in FIELDS):
        return f"it must be an object with keys, not {json.dumps(leaf.value)}"
    above = address.rpartition(".")[0]
    if above in FIELDS and FIELDS[above].at:
        return f"{above.rpartition('.')[2]} must be a value or a list, not an object with keys"
    return ""
