from stream.errors import ConfigError, ConflictError, NotFoundError, R2StreamError


def test_config_error_names_file_path_and_problem() -> None:
    """The message reads file, path, problem, and each part can be asked for."""
    error = ConfigError("unknown key; did you mean 'url'?", path="streams.pitch.urll", code="unknown_key").in_file(
        "a.yaml"
    )
    assert str(error) == "a.yaml: streams.pitch.urll: unknown key; did you mean 'url'?"
    assert (error.file, error.path, error.code) == ("a.yaml", "streams.pitch.urll", "unknown_key")


def test_each_kind_has_a_code_of_its_own() -> None:
    """Programs compare codes, never messages."""
    codes = [R2StreamError("x").code, ConfigError("x").code, NotFoundError("x").code, ConflictError("x").code]
    assert len(set(codes)) == 4


def test_messages_hide_secrets_in_urls() -> None:
    """Whatever text an error is made of, its URLs are redacted."""
    error = ConfigError("cannot use rtsp://me:hunter2@cam/1", path="streams.a.url")
    assert "hunter2" not in str(error) + error.problem + repr(error)
