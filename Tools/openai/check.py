"""Checks a running server with OpenAI's own client; see README.md."""

import base64
import io
import struct
import sys
import time
import urllib.request
import uuid
import zlib

import openai


def png(width, height, pixel):
    """A PNG with alpha, from a function of x and y that gives four bytes."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(width)) for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def file(name, data):
    """Bytes as the client takes a file."""
    return (name, io.BytesIO(data), "image/png")


def say(what):
    print(f"ok  {what}", flush=True)


def check_pictures(client, model):
    answer = client.images.generate(
        model=model, prompt="a large red circle on a yellow background", n=2,
        extra_body={"seed": 7, "num_inference_steps": 4, "guidance_scale": 1.5, "temperature": 1,
                    "negative_prompt": "blue"})
    pictures = [base64.b64decode(entry.b64_json) for entry in answer.data]
    assert len(pictures) == 2 and all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0
    assert answer.output_format == "png" and answer.background == "opaque" and answer.created > 0
    say(f"generate: {len(pictures)} pictures of {answer.size}, usage {answer.usage.total_tokens} tokens")
    again = client.images.generate(
        prompt="a large red circle on a yellow background", n=2,
        extra_body={"seed": 7, "num_inference_steps": 4, "guidance_scale": 1.5, "temperature": 1,
                    "negative_prompt": "blue"})
    assert [base64.b64decode(entry.b64_json) for entry in again.data] == pictures
    say("generate again: the same bytes")
    return pictures[0]


def check_stream(client):
    events = list(client.images.generate(
        prompt="a small blue square", stream=True, partial_images=3, extra_body={"num_inference_steps": 8, "seed": 1}))
    kinds = [event.type for event in events]
    assert kinds == ["image_generation.partial_image"] * 3 + ["image_generation.completed"], kinds
    assert [event.partial_image_index for event in events[:3]] == [0, 1, 2]
    assert all(base64.b64decode(event.b64_json).startswith(b"\x89PNG") for event in events)
    assert events[-1].usage.output_tokens > 0
    say("stream: three partial images and the completed one, as " + type(events[0]).__name__)


def check_edits(client, picture):
    width, height = struct.unpack(">II", picture[16:24])
    mask = png(width, height, lambda x, y: (0, 0, 0, 0 if x < width // 2 else 255))
    settings = {"seed": 3, "num_inference_steps": 4}
    edited = client.images.edit(
        image=file("a.png", picture), mask=file("m.png", mask), prompt="a blue square", extra_body=settings)
    assert base64.b64decode(edited.data[0].b64_json) != picture
    say("edit with a mask")
    varied = client.images.edit(image=[file("a.png", picture)], prompt="a blue square", extra_body=settings)
    assert varied.usage.input_tokens_details.image_tokens > 0
    say("edit without a mask, the image in a list")
    kinds = [event.type for event in client.images.edit(
        image=file("a.png", picture), prompt="a blue square", stream=True, partial_images=1, extra_body=settings)]
    assert kinds == ["image_edit.partial_image", "image_edit.completed"], kinds
    say("edit as a stream")


def check_variations(client, picture):
    settings = {"seed": 3, "num_inference_steps": 4}
    varied = client.images.create_variation(image=file("a.png", picture), n=2, extra_body=settings)
    pictures = [base64.b64decode(entry.b64_json) for entry in varied.data]
    assert len(set(pictures + [picture])) == 3
    say("variations: two pictures")
    told = client.images.create_variation(
        image=file("a.png", picture), response_format="url", extra_body={**settings, "strength": 0.9, "prompt": "x"})
    assert told.data[0].url and told.data[0].b64_json is None
    say("a variation with prompt and strength, by url")


def check_urls(client):
    answer = client.images.generate(
        prompt="a red circle", n=2, response_format="url", extra_body={"num_inference_steps": 4, "seed": 5})
    inline = client.images.generate(prompt="a red circle", n=2, extra_body={"num_inference_steps": 4, "seed": 5})
    for by_url, entry in zip(answer.data, inline.data):
        # Without a key, as a browser would.
        with urllib.request.urlopen(by_url.url) as reply:
            assert reply.headers["content-type"] == "image/png" and reply.headers["etag"]
            assert reply.read() == base64.b64decode(entry.b64_json)
    say(f"pictures by url: {answer.data[0].url[:40]}…, the same bytes")


def check_repetition(base, client):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    order = {"prompt": "a red circle", "extra_body": {"num_inference_steps": 4}, "extra_headers": key}
    # A client that gives up long before the pictures are there, and comes back with the same key.
    hasty = openai.OpenAI(base_url=base + "/v1", api_key="none", max_retries=0, timeout=0.01)
    try:
        hasty.images.generate(**order)
    except openai.APITimeoutError:
        pass
    first, second = client.images.generate(**order), client.images.generate(**order)
    assert first.data[0].b64_json == second.data[0].b64_json
    say("the same idempotency key: the same picture, without a seed")
    try:
        client.images.generate(prompt="a blue square", extra_headers=key)
    except openai.UnprocessableEntityError as error:
        assert error.code == "idempotency_key_reused"
        say("the same idempotency key for another order: UnprocessableEntityError 422")
    else:
        raise AssertionError("no error")


def check_attempts(base):
    """A client with a short patience comes back by itself, and its order is made once."""
    def completed():
        with urllib.request.urlopen(base + "/metrics") as reply:
            lines = reply.read().decode().splitlines()
        return sum(int(line.split()[-1]) for line in lines if line.startswith('tessera_requests_total{state="completed"}'))

    before = completed()
    patient = openai.OpenAI(base_url=base + "/v1", api_key="none", max_retries=8, timeout=1.0)
    answer = patient.images.generate(
        prompt="a red circle", size="128x128", extra_body={"num_inference_steps": 120})
    assert answer.data[0].b64_json
    say(f"a client that loses patience every second gets its pictures: {completed() - before} order made")
    assert completed() - before == 1


def check_jobs(client):
    job = client.post("/jobs", cast_to=object, body={"prompt": "a red circle", "num_inference_steps": 4, "n": 2})
    while job["state"] in ("queued", "generating"):
        time.sleep(0.05)
        job = client.get(f"/jobs/{job['id']}", cast_to=object)
    assert job["state"] == "completed" and len(job["results"]) == 2, job
    listed = client.get("/jobs?limit=1", cast_to=object)
    assert listed["data"][0]["id"] == job["id"]
    say("a job: " + job["id"][:12] + "…, two results")


def check_errors(client, picture):
    generate, edit = client.images.generate, client.images.edit
    cases = [
        ("unknown field", openai.BadRequestError, 400, "unknown_field", lambda: generate(
            prompt="x", extra_body={"sed": 1})),
        ("wrong value", openai.BadRequestError, 400, "invalid_value", lambda: generate(prompt="x", n=1000)),
        ("wrong size", openai.BadRequestError, 400, "invalid_value", lambda: generate(prompt="x", size="13x17")),
        ("unsupported value", openai.BadRequestError, 400, "unsupported_value", lambda: generate(
            prompt="x", quality="hd")),
        ("unknown model", openai.NotFoundError, 404, "model_not_found", lambda: generate(prompt="x", model="none")),
        ("no such route", openai.NotFoundError, 404, "not_found", lambda: client.post(
            "/images/poems", cast_to=object, body={})),
        ("variation with a style", openai.BadRequestError, 400, "unknown_field", lambda: client.images.create_variation(
            image=file("a.png", picture), extra_body={"style": "vivid"})),
        ("long prompt", openai.BadRequestError, 400, "too_long", lambda: generate(prompt="x" * 5000)),
        ("large body", openai.APIStatusError, 413, "too_large", lambda: generate(prompt="x" * 300_000)),
        ("no picture", openai.BadRequestError, 400, "invalid_image", lambda: edit(
            image=file("a.png", b"GIF89a"), prompt="x")),
        ("mask without alpha", openai.BadRequestError, 400, "invalid_image", lambda: edit(
            image=file("a.png", picture), mask=file("m.png", picture), prompt="x")),
    ]
    for name, kind, status, code, call in cases:
        try:
            call()
        except kind as error:
            assert error.status_code == status and error.code == code and error.request_id, (name, error)
            say(f"{name}: {type(error).__name__} {status} {code}, param {error.param}")
        else:
            raise AssertionError(f"{name}: no error")


def main():
    base = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
    client = openai.OpenAI(base_url=base + "/v1", api_key="none", max_retries=0, timeout=600)
    model = client.models.list().data[0].id
    assert client.models.retrieve(model).id == model
    say(f"openai {openai.__version__}, model {model}")
    picture = check_pictures(client, model)
    check_stream(client)
    check_edits(client, picture)
    check_variations(client, picture)
    check_urls(client)
    check_repetition(base, client)
    check_attempts(base)
    check_jobs(client)
    check_errors(client, picture)


main()
