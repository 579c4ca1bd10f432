"""How do our pipelines compare with other loaders and with the decode ceiling, on the same bytes and cores?"""
