"""Numbers of channels as published networks round them."""


def div8(value):
    """Returns the multiple of 8 that is nearest to a number of channels.

    Halves go up. It is never less than 8, and the next multiple where it
    would be less than 0.95 of the value, as in the released networks.
    """
    multiple = max(8, int(value + 4) // 8 * 8)
    return multiple + 8 if multiple < 0.95 * value else multiple


def se_hidden(mid):
    """Returns the channels inside the squeeze-excite of `mid` channels."""
    return div8(int(0.25 * mid))
