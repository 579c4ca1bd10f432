"""Environment variables that decide figures: which are kept with a result, and never a credential among them.

Why not everything that begins with `TF_`: Terraform's do, too, `TF_TOKEN_…` and `TF_VAR_db_password` among them, and
results are published. TensorFlow's names are those that its libraries hold as text.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Prefixes that one library, or a family of them, has for itself.
PREFIXES = (
    *("BLIS_", "DNNL_", "GOMP_", "JAX_", "JSIMD_", "KERAS_", "KMP_", "MALLOC_", "MKL_", "NUMEXPR_", "OMP_", "ONEDNN_"),
    *("OPENBLAS_", "OPENCV_", "PYTORCH_", "TCMALLOC_", "TORCH_", "XLA_"),
    *("CUBLAS_", "CUDA_", "CUDNN_", "NCCL_", "NVIDIA_TF32_"),
    *("TF_AUTOTUNE_", "TF_AUTO_MIXED_PRECISION_", "TF_CPU_", "TF_CUBLAS_", "TF_CUDA_", "TF_CUDNN_", "TF_CUFFT_"),
    *("TF_DETERMINISTIC_", "TF_EAGER_", "TF_FP16_", "TF_GPU_", "TF_GRPC_", "TF_MATMUL_", "TF_MKL_", "TF_ONEDNN_"),
    *("TF_RUN_HANDLER_", "TF_XLA_"),
)
NAMES = {
    *("ATEN_CPU_CAPABILITY", "FLOWERS_DECODE_WORKERS", "GLIBC_TUNABLES", "GOTO_NUM_THREADS"),
    *("LD_LIBRARY_PATH", "LD_PRELOAD"),
    *("NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES", "NVIDIA_VISIBLE_DEVICES", "OPENJPEG_NUM_THREADS"),
    *("PYTHONDEVMODE", "PYTHONFAULTHANDLER", "PYTHONHASHSEED", "PYTHONMALLOC", "PYTHONOPTIMIZE", "PYTHONTRACEMALLOC"),
    *("PYTHON_GIL", "PYTHON_JIT", "NPROC", "VECLIB_MAXIMUM_THREADS"),
    *("TF_CONV2D_USE_FP16_ACCUMULATE", "TF_CPP_MAX_VLOG_LEVEL", "TF_CPP_VMODULE", "TF_DATA_EXPERIMENT_OPT_IN"),
    *("TF_DATA_EXPERIMENT_OPT_OUT", "TF_DEVICE_MIN_SYS_MEMORY_IN_MB", "TF_DISABLE_JIT_KERNELS", "TF_DISABLE_MKL"),
    *("TF_DISABLE_PROFILING", "TF_DISABLE_RZ_CHECK", "TF_DISABLE_SCATTER_OP_DETERMINISM"),
    *("TF_DISABLE_SEGMENT_REDUCTION_OP_DETERMINISM_EXCEPTIONS", "TF_ENABLED_DEVICE_TYPES"),
    *("TF_ENABLE_ASYNC_WAIT_FOR_REMOTE_FUNCTION", "TF_ENABLE_FFT_TILING_FORWARD", "TF_ENABLE_GPU_GARBAGE_COLLECTION"),
    *("TF_ENABLE_MAXPOOL_NANPROP", "TF_ENABLE_ONEDNN_OPTS", "TF_ENABLE_ONEDNN_SPMM", "TF_ENABLE_WINOGRAD_NONFUSED"),
    *("TF_ENABLE_ZENDNN_OPTS", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_FORCE_UNIFIED_MEMORY", "TF_GRAPH_CACHING"),
    *("TF_JITRT_FLAGS", "TF_MIN_GPU_MULTIPROCESSOR_COUNT", "TF_NUM_BATCH_THREADS", "TF_NUM_INTEROP_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_OVERRIDE_GLOBAL_THREADPOOL", "TF_PER_DEVICE_MEMORY_LIMIT_MB"),
    *("TF_PFLR_PARALLEL_INSTANTIATE_THRESHOLD", "TF_SET_ONEDNN_FPMATH_MODE", "TF_SYNC_ON_FINISH", "TF_USE_CUBLASLT"),
    *("TF_USE_CUDNN_BATCHNORM_SPATIAL_PERSISTENT", "TF_USE_DEEP_CONV2D", "TF_USE_DEFAULT_CONV_ALGO"),
    *("TF_USE_DETERMINISTIC_SEGMENT_REDUCTIONS", "TF_USE_EIGEN_PARALLEL_FOR_IN_WORK_SHARDER", "TF_USE_LEGACY_KERAS"),
    *("TF_USE_ROCM_NHWC", "TF_USE_SINGLE_THREAD_MLIR_CONTEXT", "TF_XLA_BRIDGE"),
}
# Of those, what a cell sets itself, what only says where files lie, and what changes no step.
BESIDE = {
    *("KERAS_BACKEND", "JAX_PLATFORMS", "KERAS_HOME", "JAX_COMPILATION_CACHE_DIR", "CUDA_HOME", "CUDA_PATH"),
    *("CUDA_VERSION", "CUDA_CACHE_PATH", "NCCL_VERSION", "JAX_TRACEBACK_FILTERING", "TORCH_HOME"),
}

CREDENTIAL_NAME = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|AUTH|(?:^|_)(?:API)?KEYS?(?:_|$)|PRIVATE", re.IGNORECASE)
CREDENTIAL_VALUE = re.compile(
    r"://[^/\s@]+@"  # a user, with or without a password, of an address
    r"|(?<![A-Za-z0-9+])(?=[A-Za-z0-9+]*\d)(?=[A-Za-z0-9+]*[A-Za-z])[A-Za-z0-9+]{24,}"  # hex, base64
    r"|\b(?:AKIA[0-9A-Z]{12,}|(?:gh[opsu]|hf|glpat|github_pat|sk|xox[a-z])[_-]\w{8,})"
)
HIDDEN = "(hidden)"
HOME = re.compile(r"""(?:/home|/Users)/[^/:,;=\s"'<>()]+|(?<![\w.-])/root(?=[/:,;\s"'<>()]|$)""")


def relevant(environment: Mapping[str, str]) -> dict[str, str]:
    """Of an environment the variables that decide figures, by name, sorted; without credentials and home folders."""
    return {
        name: printable(name, value)
        for name, value in sorted(without_opencv(environment).items())
        if (name in NAMES or name.startswith(PREFIXES)) and name not in BESIDE and not _says_no_gpu(name, value)
        if not CREDENTIAL_NAME.search(name)
    }


def without_opencv(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment as it was before OpenCV was imported, which adds its own folder to where libraries are found."""
    folders = environment.get("LD_LIBRARY_PATH", "").split(":")
    own = [folder for folder in folders if folder and "/site-packages/cv2/" not in folder]
    rest = {name: value for name, value in environment.items() if name != "LD_LIBRARY_PATH"}
    return {**rest, "LD_LIBRARY_PATH": ":".join(own)} if own else rest


def printable(name: str, value: str) -> str:
    """The value of a variable as it may be published: a credential hidden, a home folder as `~`."""
    if CREDENTIAL_NAME.search(name) or CREDENTIAL_VALUE.search(value):
        return HIDDEN
    return without_home(value)


def without_home(text: str) -> str:
    """The text with `~` for everybody's home folder."""
    if "/" not in text:  # most texts of a store
        return text
    home = str(Path.home())
    return HOME.sub("~", text.replace(home, "~") if len(home) > len("/root") else text)


def publishable(value: Any) -> Any:
    """A value of JSON with `~` for every home folder in its texts."""
    if isinstance(value, str):
        return without_home(value)
    if isinstance(value, dict):
        return {name: publishable(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [entry if isinstance(entry, float) else publishable(entry) for entry in value]
    return value


def _says_no_gpu(name: str, value: str) -> bool:
    """Whether it is what cells of the CPU set themselves."""
    return name == "CUDA_VISIBLE_DEVICES" and value == "-1"
