"""Result of a run: what its nodes decided and measured, as one outcome, summary and line."""
