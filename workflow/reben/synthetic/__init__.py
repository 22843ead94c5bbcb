"""Invented inputs of the true form: products, CORINE, countries, Sentinel-1 patches.

Demo, tests and benchmarks live on it. Everything follows from the seed and the place
alone, whatever the number of threads: randomness comes from seeded generators, pixels
from IEEE additions, multiplications and divisions, which round alike everywhere.

The same seed at the same place is the same land; the product's name decides about
clouds, snow and noise. So two products of one tile show one landscape on two days.
"""

from reben.synthetic.corine import write_corine, write_countries
from reben.synthetic.demo import write_demo
from reben.synthetic.product import write_product
from reben.synthetic.sentinel1 import write_sentinel1
from reben.synthetic.spec import ProductSpec

__all__ = [
    "ProductSpec",
    "write_corine",
    "write_countries",
    "write_demo",
    "write_product",
    "write_sentinel1",
]
