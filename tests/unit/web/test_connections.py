from __future__ import annotations

import resource

from dissonance.web.connections import MOST_DESCRIPTORS, most_connections, raise_descriptor_limit


def test_the_limit_of_descriptors_is_raised_as_far_as_it_may_be_and_most_of_them_are_for_connections() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[1]), before[1]))
        assert most_connections() == int(0.9 * min(512, before[1]))
        raise_descriptor_limit()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert hard == before[1]
        assert soft == min(hard, MOST_DESCRIPTORS)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
