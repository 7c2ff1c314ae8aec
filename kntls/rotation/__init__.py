"""The seven stages of a CA rotation: what each needs, does and proves."""
