"""Fuzzing of the compiled kernels: with numba's bound checks on, and with canaries behind each
array.
"""
