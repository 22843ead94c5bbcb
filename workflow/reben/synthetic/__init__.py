"""Synthetic inputs in the real format: products, CORINE, countries, Sentinel-1.

Demo, tests and benchmarks use them. Everything depends only on the seed and the place,
with any number of threads: randomness comes from seeded generators, pixels from IEEE
additions, multiplications and divisions, which round the same way everywhere.

The same seed and place give the same land; the product's name determines clouds, snow and
noise. So two products of one tile show one landscape on two days.
"""

from reben.synthetic.corine import write_corine, write_countries
from reben.synthetic.demo import write_demo
from reben.synthetic.product import write_product
from reben.synthetic.scenes import SceneSpec, write_scenes
from reben.synthetic.sentinel1 import write_sentinel1
from reben.synthetic.spec import ProductSpec

__all__ = [
    "ProductSpec",
    "SceneSpec",
    "write_corine",
    "write_countries",
    "write_demo",
    "write_product",
    "write_scenes",
    "write_sentinel1",
]
