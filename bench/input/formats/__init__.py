"""Which format should records hold their images in, on a machine of so many cores and such a disk?"""
