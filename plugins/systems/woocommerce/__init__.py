"""WooCommerce, the shop plugin of WordPress, over its REST API v3: so far its faithful fake only."""
