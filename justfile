# Recipes for `just`; each is one command, so nothing is lost without it.

# Formatting, lints, tests, dependencies: what has to hold before a change is merged.
check *arguments:
    scripts/test {{arguments}}

# The tests alone, or those whose name holds a word: `just test reload`.
test *words:
    cargo test --workspace {{words}}

# The product at work on this machine.
demo *arguments:
    scripts/demo {{arguments}}

# Microbenchmarks of the request path.
bench *words:
    cargo bench {{words}}

# Load against a gateway, compared with a bare proxy.
load *arguments:
    cargo run --release -p claviger-loadtest -- {{arguments}}
