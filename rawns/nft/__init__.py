"""nf_tables: its messages, records, NAT, the evaluation and formatting of rules, and the client ``ns.nft`` (nft(8))."""
