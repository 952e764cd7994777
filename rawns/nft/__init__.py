"""nf_tables: messages described, records read back, NAT rules, evaluation and formatting of rules (nft(8))."""
