"""How fast do photos become records here, and in how many shards should they be stored?"""
