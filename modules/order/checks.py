"""What must hold in the tables at every moment, checked over all rows by `holdfast doctor --integrity`."""

from typing import LiteralString

from core.integrity import query_check
from core.module import Check

TOTALS: LiteralString = """
WITH found AS MATERIALIZED (
    SELECT "order".id, "order".total, coalesce(sum(item.total), 0) AS items
    FROM "order" LEFT JOIN order_item item ON item.order_id = "order".id AND item.deleted_at IS NULL
    GROUP BY "order".id
    HAVING "order".total <> coalesce(sum(item.total), 0)
)
SELECT id, total, items FROM found ORDER BY id LIMIT %(most)s"""

CHECKS: dict[str, Check] = {
    "an order's total is the sum of its items": query_check(TOTALS, "order {} has the total {}, its items {}"),
}
