"""From joules to records: emissions, units, totals and the ledger."""
