"""The line to the database: logins, rights, prefixes, TLS, and lines that break in the middle."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.errors import ConfigError, MistokError, Refused, Transient
from pipeline.flow import SystemEnv
from pipeline.testing.tcpproxy import TcpProxy
from plugins.systems.opencart import open_shop
from plugins.systems.opencart.system import OpenCart
from tests.servers import mariadb
from tests.servers.common import HOST, free_port
from tests.servers.mariadb import MariaDb
from tests.systems.opencart import shops
from tests.systems.opencart.shops import Shop

pytestmark = [pytest.mark.server("mariadb"), pytest.mark.xdist_group("mariadb-2")]
PAGE = Path(__file__).resolve().parents[3] / "docs" / "systems" / "opencart.md"


def grants(shop: Shop, *, writing: bool = False) -> list[str]:
    """The statements of the docs' page that fit this version, for the user ``{user}``."""
    blocks = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    made = []
    for block in blocks if writing else blocks[:1]:
        only = ""
        for line in block.splitlines():
            if line.startswith("--"):
                only = line
            elif line.startswith("GRANT") and (not only or shop.version in only):
                made.append(line.rstrip(";").replace("shop.oc_", f"{shop.database}.{shop.prefix}")
                            .replace("'mistok'@'%'", "{user}"))  # fmt: skip
    return made


def error_of(shop: Shop, **settings: Any) -> MistokError:
    """What a reading ends with."""
    system = shop.open(**settings)
    with pytest.raises(MistokError) as caught:
        list(system.offers())
    system.close()
    assert "p4ssw0rd" not in str(caught.value.findings)
    return caught.value


# --- logins and rights -----------------------------------------------------------------------------------------------


def test_the_rights_of_the_docs_are_enough_to_read_and_to_check(demo_shop: Shop) -> None:
    user, password = demo_shop.server.login(*grants(demo_shop))
    settings: dict[str, Any] = {"user": user, "password": SecretStr(password)}
    system = demo_shop.open(**settings)
    assert len(list(system.offers())) == 36
    assert len(list(system.levels())) == 33
    # orders need more, and it is said what
    assert {finding.code for finding in system.check()} == {"table-missing"}
    system.close()


def test_the_shops_settings_need_not_be_read(demo_shop: Shop) -> None:
    some = [one for one in grants(demo_shop) if "oc_setting" not in one]
    user, password = demo_shop.server.login(*some)
    login: dict[str, Any] = {"user": user, "password": SecretStr(password)}
    system = demo_shop.open(**login, currency="EUR", timezone="Europe/Warsaw")
    (offer, *rest) = list(system.offers())
    assert len(rest) == 35
    assert offer.values["currency"] == "EUR"
    assert [finding.code for finding in system.noticed()] == ["settings-unread"]
    system.close()


def test_a_table_without_rights_is_named(demo_shop: Shop) -> None:
    some = [one for one in grants(demo_shop) if "option_value " not in one]
    user, password = demo_shop.server.login(*some)
    error = error_of(demo_shop, user=user, password=SecretStr(password))
    assert isinstance(error, ConfigError)
    assert "oc_product_option_value" in str(error)
    assert "docs/systems/opencart.md" in str(error.hint)


def test_a_wrong_password_is_refused(demo_shop: Shop) -> None:
    error = error_of(demo_shop, password=SecretStr("p4ssw0rd"))
    assert isinstance(error, Refused)
    assert "Access denied" in str(error)
    system = demo_shop.open(password=SecretStr("p4ssw0rd"))
    with pytest.raises(Refused):
        system.check()


def test_a_user_who_may_not_enter_the_database_is_refused(demo_shop: Shop) -> None:
    user, password = demo_shop.server.login()
    assert isinstance(error_of(demo_shop, user=user, password=SecretStr(password)), Refused)


def test_a_database_that_is_not_there_is_a_mistake_of_the_config(demo_shop: Shop) -> None:
    error = error_of(demo_shop, database="shopp")
    assert isinstance(error, ConfigError)
    assert "shopp" in str(error)


def test_a_wrong_prefix_is_told_with_those_that_there_are(mariadb_server: MariaDb, version: str) -> None:
    shop = shops.make(mariadb_server, version, prefix="Shop1_", goods=False)
    shop.run("create table product_description (a int)")
    error = error_of(shop, prefix="oc_")
    assert isinstance(error, ConfigError)
    assert error.code == "prefix"
    assert "There is no table oc_product; prefixes there are: '', Shop1_." in str(error)
    (finding,) = shop.open(prefix="oc_").check()  # a check tells, where a run would stop
    assert finding.code == "prefix"
    shop.product()
    system = shop.open()
    assert len(list(system.offers())) == 1
    system.close()
    shop.run("drop table product_description")
    shop.run("drop table Shop1_product_description")
    assert "nor any other of an OpenCart shop" in str(error_of(shop, prefix="oc_"))
    shop.close()


def test_a_missing_column_is_named(demo_shop: Shop) -> None:
    demo_shop.run("alter table {p}product drop column weight_class_id")
    assert "oc_product.weight_class_id" in str(error_of(demo_shop))


def test_nobody_there_is_for_later(demo_shop: Shop) -> None:
    error = error_of(demo_shop, port=free_port())
    assert isinstance(error, Transient)
    assert demo_shop.clock.slept == [0.5, 1.0]  # it was tried three times


def test_the_gate_hears_of_a_refusal_and_may_stop_a_login(demo_shop: Shop) -> None:
    heard: list[str] = []

    def gate(connect: Callable[[], Any]) -> Any:
        try:
            return connect()
        except MistokError as error:
            heard.append(type(error).__name__)
            raise

    env = SystemEnv("shop", "demo", demo_shop.base, "UAH", "Europe/Kyiv", demo_shop.clock, gate=gate)
    system = OpenCart(demo_shop.settings(password=SecretStr("p4ssw0rd")), env)
    with pytest.raises(Refused):
        list(system.offers())
    assert heard == ["Refused"]


def test_a_driver_that_is_missing_is_told(demo_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    import plugins.systems.opencart as plugin

    monkeypatch.setattr(plugin, "find_spec", lambda name: None)
    env = SystemEnv("shop", "demo", demo_shop.base, "UAH", "Europe/Kyiv", demo_shop.clock)
    with pytest.raises(ConfigError, match="driver of MySQL") as caught:
        open_shop(demo_shop.settings(), env)
    assert "mistok[mysql]" in str(caught.value.hint)


def test_a_table_that_is_damaged_is_told_with_its_cure(copied: Callable[[str, bool], Shop]) -> None:
    shop = copied("3.0", True)
    path = shop.server.root / shop.database / "oc_product_image.MYI"
    shop.run("flush tables")
    whole = path.read_bytes()
    path.write_bytes(b"\0" * len(whole))
    error = error_of(shop)
    assert isinstance(error, Refused)
    assert "REPAIR TABLE" in str(error.hint)
    shop.run("drop table {p}product_image")


# --- TLS -------------------------------------------------------------------------------------------------------------


def test_tls_is_checked_by_the_ca_that_is_given(demo_shop: Shop) -> None:
    ca = demo_shop.base / "ca.pem"
    text = Path(demo_shop.server.extra["ca"]).read_text(encoding="ascii")
    ca.write_text(text[text.index("-----BEGIN CERTIFICATE") :], encoding="ascii")
    system = demo_shop.open(tls="verify", ca=Path("ca.pem"))
    cipher = system.database.read(lambda line: line.exec_driver_sql("show status like 'Ssl_cipher'").all())
    assert cipher[0][1]
    system.close()
    plain = demo_shop.open()
    cipher = plain.database.read(lambda line: line.exec_driver_sql("show status like 'Ssl_cipher'").all())
    assert not cipher[0][1]
    plain.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(demo_shop: Shop) -> None:
    error = error_of(demo_shop, tls="verify")
    assert isinstance(error, Refused)
    assert error.code == "tls"
    assert "`ca`" in str(error.hint)


def test_a_file_of_certificates_that_is_none_is_told(demo_shop: Shop) -> None:
    (demo_shop.base / "ca.pem").write_text("щось", encoding="utf-8")
    assert isinstance(error_of(demo_shop, tls="verify", ca=Path("ca.pem")), ConfigError)
    assert isinstance(error_of(demo_shop, tls="verify", ca=Path("none.pem")), ConfigError)


def test_a_server_without_tls_is_refused_where_tls_is_wanted(own_server: MariaDb) -> None:
    shop = shops.make(own_server, "4.1", goods=False)
    text = Path(own_server.extra["ca"]).read_text(encoding="ascii")
    shop.base = Path(own_server.folder)
    ca = shop.base / "ca.pem"
    ca.write_text(text[text.index("-----BEGIN CERTIFICATE") :], encoding="ascii")
    error = error_of(shop, tls="verify", ca=Path("ca.pem"))
    assert isinstance(error, Refused)
    assert error.code == "tls"
    shop.close()


# --- lines that break ------------------------------------------------------------------------------------------------


@pytest.fixture
def proxy(demo_shop: Shop) -> Iterator[TcpProxy]:
    """A proxy before the server; the shop goes through it."""
    with TcpProxy((demo_shop.server.host, demo_shop.server.port)) as running:
        demo_shop.host, demo_shop.port = running.host, running.port
        yield running


@pytest.mark.parametrize("act", ["cut", "reset"])
def test_a_line_that_breaks_in_the_middle_of_reading_loses_nothing(demo_shop: Shop, proxy: TcpProxy, act: str) -> None:
    system = demo_shop.open(page=3)
    reading = system.offers()
    found = [next(reading).id]
    for _ in range(2):
        getattr(proxy, act)(after=2000, times=1)
        found += [next(reading).id for _ in range(12)]
    found += [offer.id for offer in reading]
    system.close()
    assert proxy.fired == 2
    assert found == [offer.id for offer in shops_told(demo_shop)]


def shops_told(shop: Shop) -> list[Any]:
    """All offers, by a line of their own."""
    system = shop.open()
    found = list(system.offers())
    system.close()
    return found


def test_a_line_that_breaks_every_time_is_an_error_and_never_a_shorter_list(demo_shop: Shop, proxy: TcpProxy) -> None:
    system = demo_shop.open(page=3)
    reading = system.offers()
    next(reading)
    proxy.cut(after=2000, times=None)
    with pytest.raises(Transient):
        list(reading)
    system.close()


def test_a_server_that_falls_silent_is_not_waited_for_without_end(demo_shop: Shop, proxy: TcpProxy) -> None:
    system = demo_shop.open(page=3, timeout=timedelta(seconds=1))
    reading = system.offers()
    next(reading)
    proxy.hang(after=500)
    with pytest.raises(Transient):
        list(reading)
    proxy.release()
    system.close()


@pytest.fixture(scope="module")
def own_server() -> Iterator[MariaDb]:
    """A server that may be killed, and that offers no TLS."""
    server = mariadb.start(tls=False)
    yield server
    server.remove()


def test_a_server_that_is_killed_in_the_middle_is_gone_on_with_when_it_is_back(
    own_server: MariaDb, version: str
) -> None:
    shop = shops.make(own_server, version)
    shop.run("flush tables")
    system = shop.open(page=3)
    reading = system.offers()
    found = [next(reading).id for _ in range(5)]
    own_server.kill()
    with pytest.raises(Transient):
        list(reading)
    own_server.start()
    shop.line = None
    after = [offer.id for offer in system.offers()]  # the same object, as the next run has it
    assert len(after) == 36
    assert after[: len(found)] == found
    system.close()


def test_a_server_that_is_back_within_the_tries_is_not_even_noticed(own_server: MariaDb) -> None:
    shop = shops.make(own_server, "3.0")
    shop.run("flush tables")

    class Restarting(shops.HandClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if own_server.process is None:
                own_server.start()

    shop.clock = Restarting()
    system = shop.open(page=3)
    reading = system.offers()
    found = [next(reading).id]
    own_server.kill()
    found += [offer.id for offer in reading]
    assert len(found) == 36
    system.close()


# --- moments ---------------------------------------------------------------------------------------------------------


def test_pages_of_any_size_tell_the_same(demo_shop: Shop) -> None:
    whole = shops_told(demo_shop)
    for size in (1, 2, 7, 19, 20):
        system = demo_shop.open(page=size)
        assert list(system.offers()) == whole
        system.close()


def test_a_page_of_products_that_were_all_deleted_is_not_the_end(demo_shop: Shop) -> None:
    system = demo_shop.open(page=3)
    reading = system.offers()
    first = next(reading).product
    demo_shop.run("delete from {p}product where product_id between 31 and 41")
    rest = {offer.product for offer in reading}
    assert first == "28"
    assert {"42", "43", "49"} <= rest
    assert not {"32", "36", "40"} & rest
    system.close()


def test_a_product_that_is_being_saved_is_waited_for(copied: Callable[[str, bool], Shop]) -> None:
    # as 3.0 saves: the product first, then texts, options and specials are deleted and written anew, on MyISAM
    shop = copied("3.0", True)
    zone_now = shop.run("select utc_timestamp() as now")[0]["now"]
    shop.run("update {p}product set date_modified = %s where product_id = 42", [zone_now])
    values = shop.run("select * from {p}product_option_value where product_id = 42")
    shop.run("delete from {p}product_option_value where product_id = 42")

    class Saving(shops.HandClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if len(self.slept) == 1:
                shop.insert("product_option_value", *values)

    shop.clock = Saving()
    system = shop.open()
    offers = [offer.id for offer in system.offers()]
    system.close()
    assert len([one for one in offers if one.startswith("42:")]) == 12
    assert shop.clock.slept == [0.3, 0.3]  # one look at the half of it, one at the whole, one that is the same


def test_products_that_are_saved_all_the_time_are_for_later(copied: Callable[[str, bool], Shop]) -> None:
    shop = copied("3.0", True)

    class Busy(shops.HandClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            shop.run(
                "update {p}product set date_modified = utc_timestamp(), quantity = quantity + 1 where product_id = 42"
            )

    shop.clock = Busy()
    shop.run("update {p}product set date_modified = utc_timestamp() where product_id = 42")
    system = shop.open()
    with pytest.raises(Transient, match="saved all the time"):
        list(system.offers())
    system.close()


def test_tables_that_keep_moments_are_read_at_one(copied: Callable[[str, bool], Shop]) -> None:
    shop = copied("4.1", True)
    shop.run("update {p}product set date_modified = utc_timestamp()")
    system = shop.open()
    reader = system.reader()
    assert reader.tables.moments
    started, go_on = threading.Event(), threading.Event()

    def choose(line: Any) -> list[int]:
        line.exec_driver_sql("select 1")
        started.set()
        assert go_on.wait(10)
        return [42]

    def meanwhile() -> None:
        assert started.wait(10)
        shop.run("delete from {p}product_option_value where product_id = 42")
        go_on.set()

    thread = threading.Thread(target=meanwhile)
    thread.start()
    _, (bundle,) = reader.still(choose)
    thread.join()
    assert len(bundle.values) == 11  # as it was when the page was begun
    assert shop.clock.slept == []
    system.close()


def test_nothing_is_written_by_reading(demo_shop: Shop) -> None:
    before = demo_shop.run("checksum table {p}product, {p}product_option_value, {p}order")
    system = demo_shop.open()
    list(system.offers())
    with pytest.raises(MistokError, match=r"READ ONLY|read.only"):
        system.database.read(lambda line: line.exec_driver_sql("update oc_product set quantity = 0"))
    assert demo_shop.run("checksum table {p}product, {p}product_option_value, {p}order") == before
    system.close()


def test_the_address_is_told_and_the_password_is_not(demo_shop: Shop) -> None:
    error = error_of(demo_shop, port=free_port(), password=SecretStr("p4ssw0rd"))
    assert f"{demo_shop.database} ({HOST}:" in str(error)


def test_tables_without_a_prefix_whose_names_are_words_of_sql(mariadb_server: MariaDb, version: str) -> None:
    from decimal import Decimal

    from pipeline.ports import OfferChange, OrderChange, StockTarget

    shop = shops.make(mariadb_server, version, prefix="")
    system = shop.open()
    offers = {offer.id: offer for offer in system.offers()}
    assert len(offers) == 36
    assert [one.id for one in system.orders()] == ["1"]
    outcomes = [
        *system.update_offers([OfferChange(offer=offers["28"], values={"price": Decimal(5), "specials": ()})]),
        *system.apply_stock([StockTarget(offer=offers["35:46"], warehouse="", quantity=Decimal(5))]),
        *system.apply_orders([OrderChange(id="1", status="5")]),
    ]
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert system.check() == ()
    system.close()
    shop.close()
