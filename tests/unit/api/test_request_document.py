from service.api.localize_form import LocalizeForm
from service.api.request_document import MULTIPART, request_body, url_parameters
from service.api.text_fields import JSON, URLENCODED

CONTENT = request_body()["content"]


def test_the_documented_body_is_a_form_in_which_queries_and_examples_may_be_repeated() -> None:
    content = CONTENT[MULTIPART]
    assert "required" not in content["schema"]  # a query or an example
    assert {name for name, style in content["encoding"].items() if style["explode"]} == {"query", "like", "unlike"}


def test_the_form_is_a_plain_object_so_that_client_generators_make_a_class_of_it() -> None:
    schema = CONTENT[MULTIPART]["schema"]
    assert {"oneOf", "anyOf", "allOf"}.isdisjoint(schema)
    assert {"audio", "clip_id"} < set(schema["properties"])
    assert "Exactly one of `audio` and `clip_id`" in schema["description"]


def test_bodies_without_a_file_need_a_known_clip() -> None:
    for media_type in (URLENCODED, JSON):
        schema = CONTENT[media_type]["schema"]
        assert set(schema["properties"]) == set(LocalizeForm.model_fields) - {"audio"}
        assert schema["required"] == ["clip_id"]
        assert schema["additionalProperties"] is False
    for name in ("query", "like", "unlike"):
        kinds = [kind["type"] for kind in CONTENT[JSON]["schema"]["properties"][name]["anyOf"]]
        assert kinds == ["string", "array"]


def test_audio_bodies_are_binary_and_have_their_fields_in_the_url() -> None:
    for media_type in ("audio/*", "application/octet-stream"):
        assert CONTENT[media_type]["schema"]["format"] == "binary"
    parameters = {parameter["name"]: parameter for parameter in url_parameters()}
    assert set(parameters) == set(LocalizeForm.model_fields) - {"audio", "clip_id"}
    for parameter in parameters.values():
        assert (parameter["in"], parameter["required"]) == ("query", False)
        assert parameter["description"]
        assert "default" not in parameter["schema"]  # a generated client would send it beside the value of the body
