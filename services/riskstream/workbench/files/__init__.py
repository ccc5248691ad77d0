"""The one reader of files: Parquet, Arrow, CSV, JSON lines and Excel, packed or not, in batches of
columns. What a column means is said by `workbench/mapping`.
"""
