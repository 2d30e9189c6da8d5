"""Images in tables, of Parquet files and of Hugging Face: columns, cells, and the labels beside them."""
