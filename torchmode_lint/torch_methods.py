"""What methods do by their names, for each kind of receiver, as data: modules, tensors, what libraries wrap round them.

Beside `torch_api`, which knows things by their qualified names; of a method only the receiver's kind is known.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Methods:
    """Names of methods by what they do, for one kind of receiver."""

    names: frozenset[str]

    def __contains__(self, name: str) -> bool:
        return name in self.names


def _methods(names: str) -> Methods:
    return Methods(frozenset(names.split()))


# nn.Module
SWITCHES = frozenset({"train", "eval"})
MODULE_SELF = _methods(
    "to cuda cpu half float double bfloat16 type apply share_memory requires_grad_ to_empty xpu ipu compile"
)
MODULE_PARAMETERS = _methods("parameters named_parameters")
MODULE_CHILDREN = _methods("modules named_modules children named_children")
MODULE_NEUTRAL = _methods(
    "state_dict load_state_dict buffers named_buffers register_buffer register_parameter register_module add_module "
    "register_forward_hook register_forward_pre_hook register_backward_hook register_full_backward_hook extra_repr "
    "get_parameter get_submodule get_buffer set_extra_state save save_pretrained push_to_hub resize_token_embeddings "
    "gradient_checkpointing_enable gradient_checkpointing_disable __repr__ register_comm_hook tie_weights "
    "num_parameters freeze unfreeze init_weights reset_parameters init_hidden initHidden print_trainable_parameters "
    "no_sync append extend insert keys items values load_weights save_weights load save_checkpoint load_checkpoint"
)
# and what a method of a model does that begins with one of these, whatever else it is called: no forward
MODULE_NEUTRAL_VERBS = (
    *("load_", "save_", "init_", "reset_", "set_", "register_", "add_", "remove_", "enable_", "disable_", "freeze_"),
    *("unfreeze_", "configure_", "print_", "export_"),
)
# methods that only modules have: calling one shows what the receiver is
MODULE_EVIDENCE = _methods("parameters named_parameters load_state_dict named_modules register_forward_hook")

# what every nn.Module has: an attribute of this name is not a part of it
MODULE_API = Methods(
    MODULE_SELF.names
    | MODULE_PARAMETERS.names
    | MODULE_CHILDREN.names
    | frozenset(
        "state_dict load_state_dict buffers named_buffers register_buffer register_parameter register_module "
        "add_module register_forward_hook register_forward_pre_hook register_full_backward_hook extra_repr "
        "get_parameter get_submodule get_buffer train eval zero_grad".split()
    )
)

# tensors
TENSOR_NUMBER = _methods(
    "item tolist numpy size dim numel nelement is_cuda storage data_ptr stride get_device element_size ndimension "
    "is_contiguous is_floating_point __len__ untyped_storage"
)
TENSOR_NO_GRAPH = _methods(
    "argmax argmin argsort eq ne gt lt ge le equal all any sign long int short byte bool isnan isinf isfinite "
    "nonzero allclose bincount unique logical_not logical_and logical_or multinomial new_zeros new_ones new_empty "
    "new_full new_tensor new round floor ceil trunc"
)
# of these the result has no use for training, but it still says that it requires grad: its gradient is zero
ZERO_GRADIENT = _methods("round floor ceil trunc sign unique histc")
TENSOR_SAME = _methods("contiguous")
TENSOR_DEVICE = _methods("to cuda cpu type_as xpu half float double")
TENSOR_NEUTRAL = _methods("register_hook share_memory_ pin_memory_ is_shared record_stream get_backward_hooks")
TENSOR_ATTRIBUTES = _methods(
    "shape device dtype ndim layout requires_grad is_leaf grad_fn names is_cuda itemsize nbytes is_sparse output_nr"
)
TENSOR_IN_PLACE_DATA = _methods(
    "zero_ fill_ normal_ uniform_ copy_ add_ sub_ mul_ div_ clamp_ clamp_min_ clamp_max_ random_ exponential_ "
    "addcmul_ addcdiv_ lerp_ sqrt_ bernoulli_ masked_fill_ index_fill_ scatter_ scatter_add_ index_add_ data_ set_ "
    "transpose_ unsqueeze_ squeeze_ t_ resize_ resize_as_ sign_ neg_ exp_ log_ pow_ sigmoid_ tanh_ relu_"
)

# clears gradients, in torch and in frameworks that read like it
CLEARING = _methods("zero_grad clear_grad clear_gradients cleargrads")

# of scalers and of what else a library wraps around training: gradients are scaled, none is made or cleared
LIBRARY_NEUTRAL = _methods("unscale_ update get_scale clip_gradients state_dict load_state_dict")

# a method of one of these names on anything unknown takes a loss backward
BACKWARD_METHODS = _methods("backward manual_backward")
"""`accelerator.backward(loss)`, `fabric.backward(loss)`, `engine.backward(loss)`, `self.manual_backward(loss)`."""
