"""What the columns of somebody's file mean: the mapping, and the conversion of each row into the
contract's fields, or the reason why it is left out.
"""
