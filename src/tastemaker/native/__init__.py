"""C++ that is compiled when Tastemaker is installed, where there is a compiler.

One library for all of it; the modules that use it declare what they call, and each has a plain form
beside it that does the same more slowly.
"""
