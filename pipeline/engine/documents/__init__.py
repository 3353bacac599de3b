"""Orders of one system become documents of another: event -> the client's status rules -> acts -> apply.

Pure: rules, paper (an order as bytes), standing (what the target has), plan, products, parties, money. The rim: walk,
phases, store.
"""
