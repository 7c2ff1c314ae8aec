import json

import yaml

from kntls.cli.main import run

PEER = {
    "apiVersion": "security.istio.io/v1",
    "kind": "PeerAuthentication",
    "metadata": {"name": "default", "namespace": "istio-system"},
    "spec": {"mtls": {"mode": "DISABLE"}},
}


def test_status_shows_mode_lock_and_their_disagreement(tmp_path, capsys):
    file = tmp_path / "peer.yaml"
    file.write_text(yaml.safe_dump(PEER))
    assert run(["mesh", "status", "-f", str(file)]) == 1
    text = capsys.readouterr().out
    assert "mesh default   DISABLE" in text
    assert "full lock" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert run(["mesh", "status", "-f", str(file), "-o", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["kiali"]["icon"] == "full lock"
