from service.core.access_errors import AudioQuotaExceeded, KeyMissing, KeyUnknown, LimitExceeded, RateExceeded


def test_messages_say_what_came_what_is_accepted_and_which_setting_decides() -> None:
    assert str(KeyMissing("no Authorization header")) == (
        "the request has no Authorization header; accepted: exactly one header Authorization: Bearer KEY "
        "(EARMARK_KEYS_FILE)"
    )
    assert "600 requests a minute" in str(RateExceeded(600, 3))
    assert "try again in 3 s" in str(RateExceeded(600, 3))
    assert "86400 s of audio" in str(AudioQuotaExceeded(86_400, 41_000))
    assert "midnight UTC, in 41000 s" in str(AudioQuotaExceeded(86_400, 41_000))


def test_an_error_about_an_unknown_key_holds_nothing_of_the_key() -> None:
    assert KeyUnknown().data == {}


def test_every_limit_has_a_name_of_its_own_in_the_headers() -> None:
    policies = [kind.policy for kind in LimitExceeded.__subclasses__()]
    assert all(policies)
    assert len(set(policies)) == len(policies)
