"""Through proxies: each kind, plain and TLS, with every failure; and never round one."""

import logging
import shutil
import socket
import subprocess

import pytest
from conftest import API_KEY
from peer import SECONDS, echo
from proxy import FAULTS, PASSWORD, USER, Proxy
from test_errors import fails

import responsesws
from responsesws import Execution

KINDS = ["http", "https", "socks5", "socks5h"]
SCHEMES = ["ws", "wss"]
CREDENTIALS = (USER, PASSWORD)
OTHERS = (USER, "wr0ng-password")


@pytest.fixture
def make_proxy(certificates):
    """make_proxy(kind, …) -> Proxy; all are closed after the test."""
    proxies = []

    def make(kind, **options):
        if kind == "https":
            options.setdefault("tls", certificates.good)
        proxies.append(Proxy(kind, **options))
        return proxies[-1]

    yield make
    for proxy in proxies:
        proxy.close()
    assert [failure for proxy in proxies for failure in proxy.failures] == []


@pytest.fixture
def open_client(certificates, tmp_path):
    """open_client(url, …) -> a client that trusts all certificates of the tests but the expired."""
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(
        "".join(
            open(one.certificate).read()
            for one in (certificates.good, certificates.numeric, certificates.elsewhere)
        )
    )
    clients = []

    def make(url, **options):
        options = {"api_key": API_KEY, "turn_timeout": SECONDS, "ca_file": trusted, **options}
        clients.append(responsesws.Client(url, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def lines():
    """Collects log lines: Client(log=lines.add, log_level=LOG_DEBUG)."""

    class Lines(list):
        def add(self, level, line):
            self.append(line)

    return Lines()


def secrets_in(text):
    return [word for word in (PASSWORD, OTHERS[1], API_KEY) if word in text]


# -------------------------------------------------------------------------- success


@pytest.mark.parametrize("credentials", [None, CREDENTIALS], ids=["open", "password"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_conversation(
    serve, make_proxy, open_client, certificates, lines, kind, scheme, credentials
):
    # A name that only the proxy knows, where the proxy resolves names.
    name = "localhost" if kind == "socks5" else "elsewhere.test"
    certificate = certificates.good if kind == "socks5" else certificates.elsewhere
    peer = serve(echo, tls=certificate if scheme == "wss" else None)
    proxy = make_proxy(kind, credentials=credentials, names={"elsewhere.test": "127.0.0.1"})
    client = open_client(
        f"{scheme}://{name}:{peer.port}/v1", proxy=proxy.url(credentials), log=lines.add,
        log_level=responsesws.LOG_DEBUG,
    )  # fmt: skip
    session = client.session(model="m")
    text = "long " * 50_000
    assert session.run(text).text == f"echo: {text}"
    assert session.run("short").text == "echo: short"
    # It went through, all of it, over one connection.
    assert proxy.accepted == 1 and proxy.dialled == [("127.0.0.1", peer.port)]
    assert proxy.up > len(text) and proxy.down > len(text)
    ((host, port),) = proxy.asked
    assert port == peer.port
    if kind == "socks5":
        assert isinstance(host, bytes) and len(host) in (4, 16), "an address, resolved here"
    else:
        assert host == name, "the name, for the proxy to resolve"
    assert any(f"through the proxy {proxy.url()} (option proxy)" in line for line in lines)
    assert not [line for line in lines if secrets_in(line)]


def test_the_asyncio_face_takes_the_same_options(serve, make_proxy, connect):
    peer, proxy = serve(echo), make_proxy("http")
    session = connect(peer, proxy=proxy.url()).session(model="m")
    assert session.run("hi").text == "echo: hi"
    assert proxy.dialled == [("127.0.0.1", peer.port)]
    assert b"User-Agent: libresponsesws/" in proxy.heads[0]


def test_ipv6_literals(make_proxy, open_client):
    for kind, host in (("http", "::1"), ("socks5", bytes(15) + b"\1"), ("socks5h", bytes(15) + b"\1")):
        proxy = make_proxy(kind, fault="unreachable")
        client = open_client("ws://[::1]:8080/v1", proxy=proxy.url())
        fails(client.session(model="m"), responsesws.ProxyError)
        assert proxy.asked == [(host, 8080)]


# -------------------------------------------------------------------------- failure


@pytest.fixture
def target():
    """A place that can be reached directly, and must not be."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def url_of(target, scheme):
    return f"{scheme}://127.0.0.1:{target.getsockname()[1]}/v1"


def assert_untouched(target):
    target.settimeout(0)
    with pytest.raises(BlockingIOError):
        target.accept()


def fails_at(proxy, error):
    """What every failure at a proxy must say, and must not."""
    assert error.execution is Execution.NOT_SENT
    assert proxy.url() in str(error) and "(option proxy)" in str(error)
    assert not secrets_in(str(error)) and not secrets_in(error.body.decode("latin-1"))


@pytest.mark.parametrize("given", [None, OTHERS], ids=["none", "wrong"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", KINDS)
def test_credentials_that_the_proxy_refuses(make_proxy, open_client, target, kind, scheme, given):
    proxy = make_proxy(kind, credentials=CREDENTIALS)
    client = open_client(url_of(target, scheme), proxy=proxy.url(given))
    error, _ = fails(client.session(model="m"), responsesws.ProxyUnauthorized)
    fails_at(proxy, error)
    assert "password" in str(error) and not error.retryable
    if kind in ("http", "https"):
        assert error.http_status == 407 and b"CONNECT" in error.body
        assert b"Authorization" not in proxy.heads[0] or given is not None
    else:
        assert error.http_status is None
    assert proxy.dialled == []
    assert_untouched(target)


EXPECTED = {
    "refuses": responsesws.ProxyUnauthorized,
    "silent": responsesws.ConnectTimeout,
    "drops": responsesws.ProxyError,
    "drops in its answer": responsesws.ProxyError,
    "garbage": responsesws.ProxyError,
    "unreachable": responsesws.ProxyError,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_proxy_that_fails(make_proxy, open_client, target, kind, scheme, fault):
    proxy = make_proxy(kind, fault=fault)
    options = {"connect_timeout": 0.3} if fault == "silent" else {}
    client = open_client(url_of(target, scheme), proxy=proxy.url(), **options)
    error, _ = fails(client.session(model="m"), EXPECTED[fault])
    fails_at(proxy, error)
    status = {"refuses": 403, "unreachable": 502}.get(fault)
    assert error.http_status == (status if kind in ("http", "https") else None)
    assert proxy.dialled == []
    assert_untouched(target)


@pytest.mark.parametrize("kind", ["http", "https", "socks5h"])
def test_a_name_that_the_proxy_cannot_resolve(make_proxy, open_client, kind):
    proxy = make_proxy(kind)
    client = open_client("ws://nowhere.test:80/v1", proxy=proxy.url())
    error, _ = fails(client.session(model="m"), responsesws.ProxyError)
    fails_at(proxy, error)
    assert proxy.asked == [("nowhere.test", 80)] and "nowhere.test" in str(error)
    assert error.retryable


def test_socks5_resolves_here_and_says_what_would_not(make_proxy, open_client):
    proxy = make_proxy("socks5", names={"no-such-host.invalid": "127.0.0.1"})
    client = open_client("ws://no-such-host.invalid:80/v1", proxy=proxy.url())
    error, _ = fails(client.session(model="m"), responsesws.DNSError)
    assert "socks5h" in str(error)
    assert proxy.accepted == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_proxy_that_is_not_there(open_client, target, closed_port, kind):
    proxy = f"{kind}://{USER.replace(' ', '')}:secret-pass@127.0.0.1:{closed_port}"
    client = open_client(url_of(target, "ws"), proxy=proxy)
    error, _ = fails(client.session(model="m"), responsesws.ConnectionRefused)
    assert f"the proxy {kind}://127.0.0.1:{closed_port} (option proxy)" in str(error)
    assert "secret-pass" not in str(error)
    assert_untouched(target)


def test_a_proxy_whose_name_does_not_exist(open_client, target):
    client = open_client(url_of(target, "ws"), proxy="http://no-such-proxy.invalid:3128")
    error, _ = fails(client.session(model="m"), responsesws.DNSError)
    assert "no-such-proxy.invalid" in str(error) and "(option proxy)" in str(error)
    assert_untouched(target)


@pytest.mark.parametrize(
    "name, trusts, kind",
    [
        ("good", False, responsesws.CertificateUntrusted),
        ("elsewhere", True, responsesws.HostnameMismatch),
        ("expired", True, responsesws.CertificateExpired),
    ],
)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_certificate_of_an_https_proxy(
    make_proxy, open_client, certificates, target, scheme, name, trusts, kind
):
    certificate = getattr(certificates, name)
    proxy = make_proxy("https", tls=certificate)
    ca_file = certificate.certificate if trusts else None
    client = open_client(url_of(target, scheme), proxy=proxy.url(CREDENTIALS), ca_file=ca_file)
    error, _ = fails(client.session(model="m"), kind)
    fails_at(proxy, error)
    assert proxy.heads == [], "credentials go to a proxy that proved its name only"
    assert_untouched(target)


def test_https_to_a_proxy_without_tls(make_proxy, open_client, target):
    proxy = make_proxy("http", fault="garbage")
    url = proxy.url().replace("http:", "https:")
    error, _ = fails(
        open_client(url_of(target, "ws"), proxy=url).session(model="m"), responsesws.TLSError
    )
    assert url in str(error)
    assert_untouched(target)


def test_the_certificate_of_the_target_is_checked_through_the_tunnel(
    serve, make_proxy, open_client, certificates
):
    peer = serve(echo, tls=certificates.elsewhere)
    proxy = make_proxy("http")
    client = open_client(f"wss://localhost:{peer.port}/v1", proxy=proxy.url())
    error, _ = fails(client.session(model="m"), responsesws.HostnameMismatch)
    assert f"localhost:{peer.port}" in str(error) and "proxy" not in str(error)
    assert proxy.dialled and peer.requests == []


# ---------------------------------------------------------------------- environment


@pytest.mark.parametrize(
    "environment, is_proxied",
    [
        ({"http_proxy": "P"}, True),
        ({"ws_proxy": "P", "http_proxy": "http://127.0.0.1:1"}, True),
        ({"all_proxy": "P"}, True),
        ({"ALL_PROXY": "P"}, True),
        ({"all_proxy": "P", "ALL_PROXY": "http://127.0.0.1:1"}, True),
        ({"HTTP_PROXY": "http://127.0.0.1:1"}, False),
        ({"https_proxy": "http://127.0.0.1:1"}, False),
        ({"http_proxy": ""}, False),
        ({"http_proxy": "http://127.0.0.1:1", "no_proxy": "127.0.0.0/8"}, False),
        ({"http_proxy": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1"}, False),
        ({"http_proxy": "http://127.0.0.1:1", "no_proxy": "*"}, False),
        ({"http_proxy": "P", "no_proxy": "127.0.0.1:1"}, True),
        ({"http_proxy": "P", "no_proxy": "example.com", "NO_PROXY": "*"}, True),
    ],
)
def test_the_environment(serve, make_proxy, connect, monkeypatch, environment, is_proxied):
    peer, proxy = serve(echo), make_proxy("http")
    for name, value in environment.items():
        monkeypatch.setenv(name, proxy.url() if value == "P" else value)
    assert connect(peer).session(model="m").run("hi").text == "echo: hi"
    assert (proxy.accepted == 1) == is_proxied


def test_https_proxy_is_for_wss(serve, make_proxy, open_client, certificates, monkeypatch):
    peer, proxy = serve(echo, tls=certificates.good), make_proxy("socks5h")
    monkeypatch.setenv("HTTPS_PROXY", proxy.url())
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert open_client(peer.url).session(model="m").run("hi").text == "echo: hi"
    assert proxy.asked == [("localhost", peer.port)]


@pytest.mark.parametrize(
    "options, is_proxied",
    [
        ({"proxy": ""}, False),
        ({"no_proxy": "127.0.0.1"}, False),
        ({"proxy": "P", "no_proxy": "*"}, False),
        ({"proxy": "P", "no_proxy": ""}, True),
    ],
)
def test_options_win_over_the_environment(
    serve, make_proxy, connect, monkeypatch, options, is_proxied
):
    peer, proxy = serve(echo), make_proxy("http")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    if "proxy" in options and options.get("no_proxy") == "":
        monkeypatch.setenv("no_proxy", "*")
    options = {name: proxy.url() if value == "P" else value for name, value in options.items()}
    assert connect(peer, **options).session(model="m").run("hi").text == "echo: hi"
    assert (proxy.accepted == 1) == is_proxied


def test_the_message_names_the_variable(open_client, closed_port, monkeypatch, target):
    monkeypatch.setenv("ALL_PROXY", f"socks5h://127.0.0.1:{closed_port}")
    error, _ = fails(
        open_client(url_of(target, "ws")).session(model="m"), responsesws.ConnectionRefused
    )
    assert "(environment variable ALL_PROXY)" in str(error)
    assert_untouched(target)


@pytest.mark.parametrize(
    "setting", ["http://us:hunter2@p:0", "ftp://us:hunter2@p", "socks://us:hunter2@p", "us:hunter2@"]
)
def test_a_setting_that_cannot_be_read_fails_closed(open_client, monkeypatch, setting):
    with pytest.raises(responsesws.InvalidArgument, match="option proxy") as caught:
        open_client("ws://127.0.0.1:1", proxy=setting)
    assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("http_proxy", setting)
    with pytest.raises(responsesws.InvalidArgument, match="environment variable http_proxy"):
        open_client("ws://127.0.0.1:1")
    # Where it is not used, it does no harm.
    open_client("ws://127.0.0.1:1", proxy="")
    open_client("ws://127.0.0.1:1", no_proxy="127.0.0.1")
    open_client("wss://127.0.0.1:1")


def test_a_logger_hears_which_way_connections_take(caplog, open_client):
    logger = logging.getLogger("proxies")
    with caplog.at_level(logging.DEBUG, "proxies"):
        open_client("ws://a.example", log=logger, proxy="u:hunter2@p")
        open_client("ws://a.example", log=logger, proxy="p", no_proxy="b.example,.example")
        open_client("ws://a.example", log=logger)
        open_client("ws://a.example", log=logger, proxy="")
    assert [record.getMessage() for record in caplog.records] == [
        "connections go through the proxy http://p:1080 (option proxy)",
        "connections are direct: the option no_proxy excludes .example",
        "connections are direct: no proxy is set",
        "connections are direct: the option proxy is empty",
    ]


# -------------------------------------------------------------------- other people's


@pytest.fixture
def start_program(tmp_path):
    """start_program(program, make_arguments) -> port; skips where the program is not installed."""
    processes = []

    def start(program, make_arguments):
        path = shutil.which(program, path="/usr/bin:/usr/sbin:/usr/local/bin")
        if path is None:
            pytest.skip(f"{program} is not installed (apt-get install tinyproxy-bin microsocks)")
        # They cannot be told to take any free port; another program may be quicker.
        for _ in range(5):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            log = open(tmp_path / f"{program}.log", "wb")
            process = subprocess.Popen(
                [path, *make_arguments(port)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            processes.append((process, log))
            if is_listening(port, process):
                return port
        raise AssertionError((tmp_path / f"{program}.log").read_text())

    yield start
    for process, log in processes:
        process.kill()
        process.wait(SECONDS)
        log.close()


def is_listening(port, process):
    for _ in range(SECONDS * 20):
        if process.poll() is not None:
            return False
        try:
            socket.create_connection(("127.0.0.1", port), SECONDS).close()
            return True
        except OSError:
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
    return False


@pytest.fixture(params=["tinyproxy", "microsocks socks5", "microsocks socks5h"])
def installed_proxy(request, start_program, tmp_path):
    """URL without credentials, right and wrong credentials for it."""
    program, _, kind = request.param.partition(" ")
    if program == "tinyproxy":

        def arguments(port):
            configuration = tmp_path / "tinyproxy.conf"
            configuration.write_text(
                f"Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\nMaxClients 20\n"
                "BasicAuth user password-0123\n"
            )
            return ["-d", "-c", str(configuration)]

    else:

        def arguments(port):
            return ["-i", "127.0.0.1", "-p", str(port), "-u", "user", "-P", "password-0123"]

    port = start_program(program, arguments)
    return lambda credentials: f"{kind or 'http'}://{credentials}127.0.0.1:{port}"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_proxy_of_other_peoples(serve, open_client, certificates, installed_proxy, scheme):
    peer = serve(echo, tls=certificates.numeric if scheme == "wss" else None)
    # By its address: they try one address of a name, and on some machines that is ::1.
    url = f"{scheme}://127.0.0.1:{peer.port}/v1"
    client = open_client(url, proxy=installed_proxy("user:password-0123@"))
    session = client.session(model="m")
    text = "long " * 50_000
    assert session.run(text).text == f"echo: {text}"
    for credentials in ("user:wrong-password@", ""):
        client = open_client(url, proxy=installed_proxy(credentials))
        error, _ = fails(client.session(model="m"), responsesws.ProxyUnauthorized)
        assert error.execution is Execution.NOT_SENT and "password-0123" not in str(error)


def test_a_closed_port_behind_a_proxy_of_other_peoples(open_client, closed_port, installed_proxy):
    proxy = installed_proxy("user:password-0123@")
    client = open_client(f"ws://127.0.0.1:{closed_port}/v1", proxy=proxy)
    error, _ = fails(client.session(model="m"), responsesws.ProxyError)
    assert error.execution is Execution.NOT_SENT and error.retryable
