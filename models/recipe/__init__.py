"""How the example models are made: `python -m recipe` in models/, or `npm run models`, which also packs them."""
