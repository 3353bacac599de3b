"""The real MariaDB of these tests: it starts, keeps Ukrainian and zero dates, gives rights, comes back from a kill."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import mariadb
from tests.servers.mariadb import MariaDb

pytestmark = [pytest.mark.server("mariadb"), pytest.mark.xdist_group("mariadb")]


@pytest.fixture(scope="module")
def own() -> Iterator[MariaDb]:
    """A server that may be killed."""
    server = mariadb.start()
    yield server
    server.remove()


def test_it_keeps_what_a_shop_writes(mariadb_server: MariaDb) -> None:
    name = mariadb_server.create()
    with mariadb_server.cursor(name) as cursor:
        cursor.execute("set session sql_mode = ''")
        cursor.execute("create table t (a text, d date) engine=MyISAM")
        cursor.execute("insert into t values (%s, '0000-00-00')", ("Ґанок 🎨",))
        cursor.execute("select a, cast(d as char) from t")
        assert cursor.fetchall() == (("Ґанок 🎨", "0000-00-00"),)
    mariadb_server.drop(name)


def test_a_login_has_the_rights_that_were_named_and_no_others(mariadb_server: MariaDb) -> None:
    import pymysql

    name = mariadb_server.create()
    with mariadb_server.cursor(name) as cursor:
        cursor.execute("create table t (a int)")
    user, password = mariadb_server.login(f"grant select on {name}.t to {{user}}")
    login = pymysql.connect(
        host=mariadb_server.host, port=mariadb_server.port, user=user, password=password, database=name
    )
    with login.cursor() as cursor:
        assert cursor.execute("select * from t") == 0
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            cursor.execute("insert into t values (1)")
    login.close()
    mariadb_server.drop(name)


def test_it_comes_back_from_a_kill(own: MariaDb) -> None:
    name = own.create()
    with own.cursor(name) as cursor:
        cursor.execute("create table t (a int) engine=InnoDB")
        cursor.execute("insert into t values (42)")
        cursor.execute("flush tables")
    own.kill()
    own.start()
    with own.cursor(name) as cursor:
        cursor.execute("select count(*) from t")
        assert cursor.fetchone()[0] == 1
