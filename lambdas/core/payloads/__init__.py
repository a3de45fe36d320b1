"""What each container family reads and writes on /invocations: the only place that knows."""

from lambdas.core.payloads import hf_inputs, openai_chat
from lambdas.core.payloads.payload import Payload

_BY_FAMILY: dict[str, Payload] = {
    "vllm": openai_chat.OpenAIChatPayload(),
    "tgi": hf_inputs.HfInputsPayload(streams=True),
    "hf-toolkit": hf_inputs.HfInputsPayload(streams=False),
}


def payload_for(container_family: str) -> Payload:
    return _BY_FAMILY[container_family]
