"""Is input the limit?"""
