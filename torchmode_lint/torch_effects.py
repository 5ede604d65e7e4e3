"""What calling the names of torch, and of the libraries built on it, does, as data: qualified name -> effect.

Nothing here imports torch. The facts behind the table were measured on torch 2.13. `torch_api` looks names up in it.
"""

from __future__ import annotations

import enum


class Effect(enum.Enum):
    """What calling something from outside the project does."""

    GRAD_OFF = enum.auto()
    GRAD_ON = enum.auto()
    GRAD_FLAG = enum.auto()  # set_grad_enabled(flag), inference_mode(flag)
    LAYER = enum.auto()  # an nn.Module with parameters, the same in both modes
    STATELESS = enum.auto()  # an nn.Module without parameters, the same in both modes
    DEPENDENT = enum.auto()  # an nn.Module that computes differently by mode
    DROPPING = enum.auto()  # ... if its `dropout` (or `p`) is not zero; the default is zero
    DROPPED = enum.auto()  # ... if its `dropout` is not zero; the default is not
    RUNNING = enum.auto()  # ... if it tracks running statistics, which is not the default
    CONTAINER = enum.auto()  # holds its arguments: Sequential, ModuleList, ModuleDict
    SHARING = enum.auto()  # returns its first argument, or something that shares all its state
    ALL_ARGUMENTS = enum.auto()  # returns its positional arguments
    SECOND = enum.auto()  # returns its second argument
    LENT = enum.auto()  # a context manager that yields its first argument
    HANDED_BACK = enum.auto()  # returns a tuple of arguments: `HANDED_BACK`
    APPLY = enum.auto()  # applies one argument to others: `APPLYING`
    FACTORY = enum.auto()  # a mode-dependent module in train mode
    PRETRAINED = enum.auto()  # a mode-dependent module in eval mode
    LOADED = enum.auto()  # a module in the mode it was saved in, its parameters frozen or not
    COPY = enum.auto()  # a new object with the state of the old
    OPTIMIZER = enum.auto()
    SCHEDULER = enum.auto()
    LOADER = enum.auto()
    CREATE = enum.auto()  # a tensor of constants or random numbers
    FROM_DATA = enum.auto()  # a leaf tensor from numbers: torch.tensor, from_numpy
    PARAMETER = enum.auto()
    VARIABLE = enum.auto()
    OPERATION = enum.auto()  # hangs on the graphs of its arguments
    NO_GRAPH = enum.auto()  # computes from its arguments, without a graph
    BACKWARD = enum.auto()
    GRADIENT = enum.auto()  # autograd.grad
    FUNCTIONAL = enum.auto()  # torch.func: gradients of a function
    EXPORT = enum.auto()  # evaluates the module it takes, in the mode that it is in
    TRACE = enum.auto()  # the same, and returns what shares all state with it
    NEUTRAL = enum.auto()  # leaves the protocol alone; the result is unknown
    PURE = enum.auto()  # the same for the same arguments, a symbol to hang conditions on
    ENUMERATE = enum.auto()
    ZIP = enum.auto()
    ELEMENTS = enum.auto()  # list(x), sorted(x), tqdm(x): the elements of its first argument
    MAP = enum.auto()
    SEQUENCE = enum.auto()
    PARTIAL = enum.auto()
    FOREIGN = enum.auto()  # of another framework: what it makes is none of torch's
    LIBRARY = enum.auto()  # an object of a framework that takes over part of the protocol
    MANAGER = enum.auto()  # a context manager without effect on the protocol
    SUPPRESS = enum.auto()
    WRAPS = enum.auto()
    NAMESPACE = enum.auto()  # an object with its keyword arguments as attributes
    TO_TRAIN = enum.auto()  # puts its first argument into train mode and returns it, or lends it to a with statement
    TO_EVAL = enum.auto()  # the same with eval mode
    ZERO_GRADIENTS = enum.auto()  # clears the gradients of its arguments; of all, where it is given none
    UNKNOWN = enum.auto()


def _named(effect: Effect, prefix: str, names: str) -> dict[str, Effect]:
    return {prefix + name: effect for name in names.split()}


EFFECTS: dict[str, Effect] = {
    **_named(Effect.GRAD_OFF, "torch.", "no_grad autograd.no_grad autograd.grad_mode.no_grad"),
    **_named(
        Effect.GRAD_OFF,
        "",
        "paddle.no_grad paddle.autograd.no_grad paddle.fluid.dygraph.no_grad chainer.no_backprop_mode "
        "mxnet.autograd.pause oneflow.no_grad oneflow.inference_mode",
    ),
    **_named(Effect.FOREIGN, "", "jax. flax. tensorflow. keras. mxnet. paddle. chainer. cupy. mindspore. oneflow."),
    **_named(Effect.GRAD_ON, "torch.", "enable_grad autograd.enable_grad autograd.grad_mode.enable_grad"),
    **_named(
        Effect.GRAD_FLAG,
        "torch.",
        "set_grad_enabled autograd.set_grad_enabled autograd.grad_mode.set_grad_enabled inference_mode "
        "autograd.inference_mode autograd.grad_mode.inference_mode",
    ),
    # modules of torch.nn: what is not named here is a layer with parameters
    "torch.nn.": Effect.LAYER,
    **_named(
        Effect.STATELESS,
        "torch.nn.",
        "ReLU ReLU6 LeakyReLU ELU SELU CELU GELU SiLU Mish Sigmoid Tanh Softmax LogSoftmax Softmax2d Softplus "
        "Softsign Hardtanh Hardswish Hardsigmoid Identity Flatten Unflatten MaxPool1d MaxPool2d MaxPool3d AvgPool1d "
        "AvgPool2d AvgPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d "
        "AdaptiveMaxPool2d AdaptiveMaxPool3d Upsample UpsamplingNearest2d UpsamplingBilinear2d PixelShuffle "
        "ZeroPad2d ReflectionPad1d ReflectionPad2d ReplicationPad2d ConstantPad1d ConstantPad2d Fold Unfold "
        "CosineSimilarity PairwiseDistance L1Loss MSELoss CrossEntropyLoss CTCLoss NLLLoss NLLLoss2d PoissonNLLLoss "
        "GaussianNLLLoss KLDivLoss BCELoss BCEWithLogitsLoss MarginRankingLoss HingeEmbeddingLoss "
        "MultiLabelMarginLoss HuberLoss SmoothL1Loss SoftMarginLoss MultiLabelSoftMarginLoss CosineEmbeddingLoss "
        "MultiMarginLoss TripletMarginLoss TripletMarginWithDistanceLoss LogSigmoid Threshold GLU",
    ),
    **_named(
        Effect.DEPENDENT,
        "torch.nn.",
        "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d RReLU",
    ),
    **_named(
        Effect.DROPPED,
        "torch.nn.",
        "Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout Transformer TransformerEncoderLayer "
        "TransformerDecoderLayer",
    ),
    **_named(Effect.DROPPING, "torch.nn.", "LSTM GRU RNN MultiheadAttention"),
    **_named(Effect.RUNNING, "torch.nn.", "InstanceNorm1d InstanceNorm2d InstanceNorm3d"),
    **_named(Effect.CONTAINER, "torch.nn.", "Sequential ModuleList ModuleDict TransformerEncoder TransformerDecoder"),
    **_named(
        Effect.SHARING,
        "torch.",
        "nn.DataParallel nn.parallel.DataParallel nn.parallel.DistributedDataParallel compile jit.script "
        "nn.SyncBatchNorm.convert_sync_batchnorm distributed.fsdp.FullyShardedDataParallel "
        "nn.utils.weight_norm nn.utils.spectral_norm nn.utils.parametrizations.weight_norm "
        "nn.utils.parametrizations.spectral_norm distributed.fsdp.fully_shard",
    ),
    **_named(Effect.OPERATION, "horovod.torch.", "allreduce allgather broadcast alltoall"),
    "apex.amp.initialize": Effect.ALL_ARGUMENTS,
    "apex.amp.scale_loss": Effect.LENT,
    "apex.amp.master_params": Effect.NEUTRAL,
    "apex.parallel.DistributedDataParallel": Effect.SHARING,
    "apex.parallel.convert_syncbn_model": Effect.SHARING,
    **_named(Effect.SHARING, "mmcv.parallel.", "MMDataParallel MMDistributedDataParallel"),
    **_named(Effect.SHARING, "mmdet.parallel.", "MMDataCPU"),
    **_named(Effect.NEUTRAL, "mmcv.runner.", "load_checkpoint load_state_dict"),
    **_named(Effect.NEUTRAL, "mmengine.runner.", "load_checkpoint load_state_dict"),
    **_named(Effect.SHARING, "mmengine.model.", "MMDistributedDataParallel MMFullyShardedDataParallel"),
    "fairscale.nn.data_parallel.FullyShardedDataParallel": Effect.SHARING,
    "torch.nn.Parameter": Effect.PARAMETER,
    "torch.nn.parameter.Parameter": Effect.PARAMETER,
    "torch.nn.Module": Effect.LAYER,
    "torch.nn.utils.": Effect.NEUTRAL,
    "torch.nn.utils.rnn.": Effect.OPERATION,
    "torch.nn.init.": Effect.NEUTRAL,
    "torch.nn.attention.": Effect.NEUTRAL,  # kernels and masks, none of them a layer
    "torch.nn.attention.flex_attention.flex_attention": Effect.OPERATION,
    "torch.nn.functional.": Effect.OPERATION,
    "torch.nn.functional.one_hot": Effect.NO_GRAPH,
    "torch.nn.modules.": Effect.LAYER,
    # factories of models
    "torchvision.models.": Effect.FACTORY,
    "torchvision.models.feature_extraction.": Effect.SHARING,
    "timm.create_model": Effect.FACTORY,
    "timm.models.": Effect.FACTORY,
    "torch.hub.load": Effect.UNKNOWN,
    "segmentation_models_pytorch.": Effect.FACTORY,
    "efficientnet_pytorch.": Effect.FACTORY,
    "pretrainedmodels.": Effect.FACTORY,
    "pytorchcv.model_provider.get_model": Effect.FACTORY,
    "pytorch_fid.inception.InceptionV3": Effect.FACTORY,
    "facenet_pytorch.InceptionResnetV1": Effect.FACTORY,
    "detectron2.modeling.build_model": Effect.FACTORY,
    **_named(Effect.FACTORY, "mmdet.models.", "build_detector builder.build_detector"),
    **_named(Effect.FACTORY, "mmseg.models.", "build_segmentor builder.build_segmentor"),
    **_named(Effect.FACTORY, "mmpose.models.", "build_posenet builder.build_posenet"),
    **_named(Effect.FACTORY, "mmcls.models.", "build_classifier builder.build_classifier"),
    **_named(Effect.FACTORY, "mmaction.models.", "build_model build_recognizer"),
    "torchvision.": Effect.NEUTRAL,
    "torchvision.ops.": Effect.OPERATION,
    "torchaudio.": Effect.NEUTRAL,
    "copy.deepcopy": Effect.COPY,
    "copy.copy": Effect.COPY,
    # optimizers
    "torch.optim.": Effect.OPTIMIZER,
    "torch.optim.lr_scheduler.": Effect.SCHEDULER,
    "torch.optim.swa_utils.": Effect.UNKNOWN,
    "apex.optimizers.": Effect.OPTIMIZER,
    "transformers.AdamW": Effect.OPTIMIZER,
    "transformers.Adafactor": Effect.OPTIMIZER,
    "transformers.optimization.AdamW": Effect.OPTIMIZER,
    "bitsandbytes.optim.": Effect.OPTIMIZER,
    "torch_optimizer.": Effect.OPTIMIZER,
    "pytorch_optimizer.": Effect.OPTIMIZER,
    "adabelief_pytorch.AdaBelief": Effect.OPTIMIZER,
    "lion_pytorch.Lion": Effect.OPTIMIZER,
    "adamp.": Effect.OPTIMIZER,
    "deepspeed.ops.adam.": Effect.OPTIMIZER,
    "timm.optim.create_optimizer": Effect.OPTIMIZER,
    "timm.optim.create_optimizer_v2": Effect.OPTIMIZER,
    # data
    "torch.utils.data.DataLoader": Effect.LOADER,
    "torch.utils.data.dataloader.DataLoader": Effect.LOADER,
    "torch_geometric.loader.": Effect.LOADER,
    "torch_geometric.data.DataLoader": Effect.LOADER,
    "torch.utils.data.": Effect.NEUTRAL,
    # tensors
    **_named(
        Effect.CREATE,
        "torch.",
        "zeros ones empty full rand randn randint randperm arange linspace logspace eye normal bernoulli "
        "zeros_like ones_like empty_like full_like rand_like randn_like randint_like",
    ),
    **_named(
        Effect.FROM_DATA,
        "torch.",
        "tensor from_numpy as_tensor frombuffer Tensor FloatTensor LongTensor IntTensor DoubleTensor BoolTensor "
        "ByteTensor cuda.FloatTensor cuda.LongTensor",
    ),
    "torch.load": Effect.UNKNOWN,
    "torch.jit.load": Effect.LOADED,
    "torch.autograd.Variable": Effect.VARIABLE,
    **_named(
        Effect.NO_GRAPH,
        "torch.",
        "argmax argmin argsort eq ne gt lt ge le equal allclose isclose isnan isinf isfinite all any sign bincount "
        "histc unique bucketize searchsorted count_nonzero nonzero logical_and logical_or logical_not is_tensor "
        "multinomial numel round floor ceil trunc",
    ),
    "torch.autograd.backward": Effect.BACKWARD,
    "torch.autograd.grad": Effect.GRADIENT,
    **_named(Effect.OPERATION, "torch.autograd.", "Function.apply function.Function.apply"),
    "torch.autograd.functional.": Effect.FUNCTIONAL,
    "torch.func.": Effect.FUNCTIONAL,
    "functorch.": Effect.FUNCTIONAL,
    "torch.func.functional_call": Effect.APPLY,
    "torch.nn.utils.stateless.functional_call": Effect.APPLY,
    "torch.utils.checkpoint.checkpoint": Effect.APPLY,
    "torch.utils.checkpoint.checkpoint_sequential": Effect.APPLY,
    **_named(Effect.APPLY, "monai.inferers.", "sliding_window_inference utils.sliding_window_inference"),
    "monai.inferers.": Effect.LIBRARY,
    "torch.onnx.export": Effect.NEUTRAL,
    "torch.jit.trace": Effect.TRACE,
    **_named(Effect.EXPORT, "torch.export.", "export export_for_inference"),
    **_named(Effect.EXPORT, "", "coremltools.convert torch2trt.torch2trt torch_tensorrt.compile"),
    # the rest of torch
    **_named(
        Effect.NEUTRAL,
        "torch.",
        "save manual_seed device set_default_dtype set_default_tensor_type Generator get_rng_state set_rng_state "
        "seed initial_seed use_deterministic_algorithms set_float32_matmul_precision set_num_threads Size "
        "set_printoptions",
    ),
    **_named(
        Effect.PURE,
        "torch.",
        "cuda.is_available cuda.device_count is_grad_enabled distributed.get_rank distributed.get_world_size "
        "distributed.is_initialized distributed.is_available backends.mps.is_available",
    ),
    "torch.cuda.amp.GradScaler": Effect.LIBRARY,
    "torch.amp.GradScaler": Effect.LIBRARY,
    "torch.autocast": Effect.MANAGER,
    "torch.amp.autocast": Effect.MANAGER,
    "torch.cuda.amp.autocast": Effect.MANAGER,
    "torch.autograd.": Effect.MANAGER,
    "torch.cuda.": Effect.NEUTRAL,
    "torch.backends.": Effect.NEUTRAL,
    "torch.distributed.": Effect.NEUTRAL,
    "torch.distributed.all_reduce": Effect.NEUTRAL,
    "torch.distributed.autograd.": Effect.LIBRARY,
    "torch.distributions.": Effect.UNKNOWN,
    "torch.multiprocessing.": Effect.NEUTRAL,
    "torch.profiler.": Effect.MANAGER,
    "torch.utils.": Effect.NEUTRAL,
    "torch.utils.tensorboard.": Effect.NEUTRAL,
    "torch.random.": Effect.NEUTRAL,
    "torch.jit.": Effect.UNKNOWN,
    "torch.testing.": Effect.NEUTRAL,
    "torch.fft.": Effect.OPERATION,
    "torch.linalg.": Effect.OPERATION,
    "torch.special.": Effect.OPERATION,
    "torch.": Effect.OPERATION,
    # libraries that take over
    "accelerate.Accelerator": Effect.LIBRARY,
    "pytorch_lightning.": Effect.LIBRARY,
    "lightning.": Effect.LIBRARY,
    "lightning_fabric.": Effect.LIBRARY,
    "transformers.Trainer": Effect.LIBRARY,
    "transformers.pipeline": Effect.LIBRARY,
    "transformers.get_": Effect.SCHEDULER,
    "ignite.": Effect.LIBRARY,
    "diffusers.": Effect.LIBRARY,
    "deepspeed.": Effect.LIBRARY,
    "deepspeed.initialize": Effect.HANDED_BACK,
    "opacus.PrivacyEngine": Effect.LIBRARY,
    "fastai.": Effect.LIBRARY,
    "skorch.": Effect.LIBRARY,
    "composer.": Effect.LIBRARY,
    # builtins and the standard library
    **_named(
        Effect.PURE,
        "builtins.",
        "len isinstance issubclass hasattr callable type id min max abs round str int float bool repr ord chr hash "
        "divmod pow format vars dir",
    ),
    "builtins.sum": Effect.OPERATION,
    "builtins.range": Effect.NEUTRAL,
    "builtins.enumerate": Effect.ENUMERATE,
    "builtins.zip": Effect.ZIP,
    "builtins.map": Effect.MAP,
    **_named(Effect.ELEMENTS, "builtins.", "list tuple set sorted reversed iter next frozenset filter"),
    "builtins.": Effect.NEUTRAL,
    "tqdm.": Effect.ELEMENTS,
    "tqdm": Effect.ELEMENTS,
    "itertools.chain": Effect.SEQUENCE,
    "itertools.": Effect.ELEMENTS,
    "contextlib.nullcontext": Effect.MANAGER,
    "contextlib.suppress": Effect.SUPPRESS,
    "contextlib.ExitStack": Effect.MANAGER,
    "contextlib.": Effect.NEUTRAL,
    "functools.partial": Effect.PARTIAL,
    "functools.wraps": Effect.WRAPS,
    "types.SimpleNamespace": Effect.NAMESPACE,
    "argparse.Namespace": Effect.NAMESPACE,
    "numpy.": Effect.NO_GRAPH,
    "math.": Effect.NO_GRAPH,
    "sklearn.": Effect.NO_GRAPH,
    "scipy.": Effect.NO_GRAPH,
    "pandas.": Effect.NO_GRAPH,
    "cv2.": Effect.NO_GRAPH,
    "PIL.": Effect.NO_GRAPH,
    "matplotlib.": Effect.NEUTRAL,
    "seaborn.": Effect.NEUTRAL,
    "os.": Effect.PURE,
    "sys.": Effect.NEUTRAL,
    "time.": Effect.NEUTRAL,
    "datetime.": Effect.NEUTRAL,
    "random.": Effect.NEUTRAL,
    "logging.": Effect.NEUTRAL,
    "argparse.": Effect.NEUTRAL,
    "json.": Effect.NEUTRAL,
    "pickle.": Effect.NEUTRAL,
    "pathlib.": Effect.NEUTRAL,
    "collections.": Effect.NEUTRAL,
    "warnings.": Effect.NEUTRAL,
    "gc.": Effect.NEUTRAL,
    "typing.cast": Effect.SECOND,
    "inspect.": Effect.NEUTRAL,
    "wandb.": Effect.NEUTRAL,
    "tensorboardX.": Effect.NEUTRAL,
    "yaml.": Effect.NEUTRAL,
    "gym.": Effect.NEUTRAL,
    "gymnasium.": Effect.NEUTRAL,
    "re.": Effect.NEUTRAL,
    "shutil.": Effect.NEUTRAL,
    "pytest.": Effect.NEUTRAL,
    "pytest.raises": Effect.SUPPRESS,
    "unittest.": Effect.NEUTRAL,
}
