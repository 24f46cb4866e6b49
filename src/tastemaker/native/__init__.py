"""C++ code that is compiled when Tastemaker is installed, if there is a compiler.

All of it is in one library. The modules that use it declare the functions that they call. Each
function has a plain form in Python, which does the same more slowly.
"""
