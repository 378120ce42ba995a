"""What the commands on model files print."""

from __future__ import annotations

from dissonance.cli.model_files import ExportedAnswer, exported_text


def test_an_export_says_how_others_verify_it() -> None:
    answer = ExportedAnswer(
        task="small", version=2, critic_version=3, model_digest="a" * 64, folder="out", files=["model.sig"]
    )
    said = exported_text(answer)
    assert "Version 2 of small and its critic 3: 1 file in out" in said
    assert "verify key out/model --signature out/model.sig --public_key out/public-key.pem" in said
