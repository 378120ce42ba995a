"""What the rules of statements.yaml find, and what they leave alone."""

from psycopg import sql
from sqlalchemy import text


def read(connection, name):
    # ruleid: sql-put-together
    connection.execute(f"SELECT * FROM tasks WHERE name = '{name}'")
    # ruleid: sql-put-together
    connection.execute("SELECT * FROM tasks WHERE name = '%s'" % name)
    # ruleid: sql-put-together
    connection.execute("SELECT * FROM tasks WHERE name = " + name)
    # ruleid: sql-put-together
    connection.execute(sql.SQL(f"DROP TABLE {name}"))
    # ruleid: sql-put-together
    connection.execute(text(f"SELECT {name}"))
    # ok: sql-put-together
    connection.execute("SELECT * FROM tasks WHERE name = %(name)s", {"name": name})
    # ok: sql-put-together
    connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
