"""Which calls matter only if some option of an exclusive mask is chosen."""


def find_conditions(flow):
    """Returns the condition of each call, and of each of its inputs.

    A condition is a frozen set of `(mask index, option)`: a candidate of a
    `BlockChoice` is needed only if the choice is for it. The condition of a
    call is what those of all its readers have in common.

    Args:
        flow: A `ChannelFlow`.

    Returns:
        `(nodes, edges)`: a list of conditions by node index, and a list by
        node index of lists with the condition under which the call reads each
        of its input tensors.
    """
    number = len(flow.graph.nodes)
    nodes, edges = [frozenset()] * number, [[]] * number
    of_tensor = {id(tensor): frozenset() for tensor in flow.outputs}
    for node, rule in zip(
        reversed(flow.graph.nodes), reversed(flow.rules), strict=True
    ):
        needed = [
            of_tensor[id(tensor)]
            for tensor in node.output_tensors
            if id(tensor) in of_tensor
        ]
        own = frozenset.intersection(*needed) if needed else frozenset()
        nodes[node.index], edges[node.index] = own, []
        for index, tensor in enumerate(node.input_tensors):
            option = rule.edge_option(node, flow, index)
            edge = own if option is None else own | {option}
            edges[node.index].append(edge)
            of_tensor[id(tensor)] = of_tensor.get(id(tensor), edge) & edge
        for tensor in node.mask_tensors:
            of_tensor[id(tensor)] = of_tensor.get(id(tensor), own) & own
    return nodes, edges
